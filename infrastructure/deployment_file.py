"""The deployment file and the CDK's context, read into a `Deployment`, or into every problem at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from core.errors import SettingsError
from core.settings.file import complaints_of, read_document
from core.settings.located_yaml import Complaint, Written
from core.settings.problems import already_noted, explain, place_of
from infrastructure.deployment import Deployment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core.settings.located_yaml import Document, Place

# Each can be given by `--context`, too, and then counts more than the file.
CONTEXT: Mapping[str, Place] = {
    "name": ("name",),
    "config": ("config",),
    "code": ("code",),
    "consumer_code": ("consumer_code",),
    "notify_code": ("notify", "code"),
    "tasks": ("service", "tasks"),
    "parallelization": ("streams", "parallelization"),
    "batch_records": ("streams", "batch_records"),
    "cache_node": ("cache", "node_type"),
    "database_class": ("database", "instance_class"),
}
FILE = "deployment"


@dataclass(frozen=True)
class DeploymentFile:
    """A deployment, and where each part of it was written."""

    deployment: Deployment
    path: Path | None
    document: Document | None

    def refuse(self, problems: Iterable[tuple[Place, str]]) -> None:
        """Raise SettingsError with these problems, each at its place, where there are any."""
        found = list(problems)
        if not found:
            return
        if self.path is None or self.document is None:
            raise SettingsError("\n".join(f"{'.'.join(map(str, place))}: {text}" for place, text in found))
        located = (Complaint(self.document.line(place), place, text) for place, text in found)
        raise SettingsError("\n".join(complaints_of(self.path, located)))


def read_deployment(context: Mapping[str, Any]) -> DeploymentFile:
    """What `--context deployment=deploy.yaml` and the other contexts ask for. Raises SettingsError."""
    path = Path(context[FILE]) if context.get(FILE) else None
    document = read_document(path) if path else None
    given = {place: name for name, place in CONTEXT.items() if context.get(name) is not None}
    data = _overlaid(document.data if document else {}, {place: context[name] for place, name in given.items()})
    lines = complaints_of(path, document.problems) if path and document else []
    try:
        deployment = Deployment.model_validate(data)
    except ValidationError as failure:
        errors = [error for error in failure.errors(include_url=False) if not already_noted(error)]
        for error in errors:
            place = place_of(error)
            if place in given:
                name = given[place]
                lines.append(f"context {name}: {explain(error, Written(str(context[name]), 'text'), Deployment)}")
            elif path and document:
                text = explain(error, document.written(place), Deployment)
                lines += complaints_of(path, [Complaint(document.line(place), place, text)])
            else:
                lines.append(f"{'.'.join(map(str, place))}: {explain(error, None, Deployment)}")
        raise SettingsError("\n".join(lines)) from None
    if lines:
        raise SettingsError("\n".join(lines))
    return DeploymentFile(deployment, path, document)


def _overlaid(data: Any, given: Mapping[Place, Any]) -> Any:
    """The file's data with the context's values in them. `network:` with nothing below it says nothing."""
    if not isinstance(data, dict):
        return data
    result = {key: value for key, value in data.items() if value is not None}
    for (*sections, key), value in given.items():
        target = result
        for section in sections:
            target[section] = dict(target.get(section) or {})
            target = target[section]
        target[str(key)] = value
    return result
