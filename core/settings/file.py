"""From a YAML file, the environment and the command's options to `Settings`, or to every problem at once.

Strength, weakest first: the file, AWS's variables, rtp's own variables, the options. An empty variable counts as
unset, since deployments often pass on what they do not have. So a variable cannot take a value away: to run
without alerts, leave `queue` out of the file. A variable of nothing but spaces and an empty option are problems.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from pydantic import BaseModel, ValidationError

from core.errors import SettingsError
from core.settings.located_yaml import Complaint, Document, Written
from core.settings.models import settings_model
from core.settings.own_kinds import kinds_in
from core.settings.problems import already_noted, explain, place_of
from core.settings.syntax import read_nodes
from rtp_client.redact import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from core.settings.located_yaml import Place
    from core.settings.models import Settings

MAX_LINES = 100
_VARIABLES = (  # the sinks have their own
    ("RTP_POSTGRES_DSN", "postgres.dsn"),
    ("RTP_POSTGRES_SECRET", "postgres.secret"),
    ("RTP_REDIS_SECRET", "redis.secret"),
    ("RTP_HTTP_LISTEN", "http.listen"),
    ("RTP_SERVE_LISTEN", "serve.listen"),
    ("RTP_SERVE_TOKEN", "serve.token"),
    ("RTP_EMF_NAMESPACE", "emf.namespace"),
    ("RTP_DYNAMODB_ENDPOINT_URL", "dynamodb.endpoint_url"),
    ("RTP_DEAD_LETTER_QUEUE", "dynamodb.dead_letter_queue"),
)
# The other options are called as their keys are.
_OPTION_NAMES = {"http.listen": "http", "serve.listen": "listen"}


@dataclass(frozen=True)
class _Given:
    """A value from outside the file, and what to call the place it came from."""

    origin: str
    value: str


def read_settings(
    model: type[Settings],
    path: Path | None,
    *,
    environ: Mapping[str, str],
    options: Mapping[str, str | None],
    variables: Iterable[tuple[str, str]] = (),
) -> Settings:
    """The settings in force. `path` None means rtp's own default.yaml; options have keys like `postgres.dsn`.

    `variables` are the sinks' own: a variable's name and its key, weakest first.

    Raises SettingsError; its message has one line per problem, the file's first and by line.
    """
    path = default_path() if path is None else path
    document = read_document(path)
    given = {**_from_environment(environ, (*_VARIABLES, *variables)), **_from_options(options)}
    in_file = list(document.problems)
    outside = {key: "is blank. Give it a value or leave it out" for key, one in given.items() if not one.value}
    settings = None
    try:
        overlaid = _overlaid(document.data, given, _sections(model))
        kinds = kinds_in(overlaid)  # all other models are made for the kinds
        model = settings_model(kinds, model)
        settings = model.model_validate(overlaid, context={"kinds": kinds, "file": path})
    except ValidationError as failure:
        for error in failure.errors(include_url=False):
            if not already_noted(error):
                _sort(error, model, document, given, in_file, outside)
    if settings is None or in_file or outside:
        lines = complaints_of(path, in_file)
        lines += [f"{one.origin}: {outside[key]}" for key, one in given.items() if key in outside]
        raise SettingsError(_listed(lines))
    return settings


def default_path() -> Path:
    """The default.yaml that comes with rtp, in the folder beside this package's.

    Not by importlib.resources: `configs` holds no Python, and Python 3.11 cannot open such a package's files in
    an editable install (MultiplexedPath takes setuptools' path hook for a missing directory).
    """
    return Path(__file__).resolve().parents[2] / "configs" / "default.yaml"


def read_document(path: Path) -> Document:
    """A YAML file, unvalidated. Raises SettingsError where it is none."""
    root = read_nodes(path)
    try:
        return Document(root)
    except RecursionError:
        # The nodes are shallow, so only a chain of aliases, each naming the one before, is this deep.
        raise SettingsError(f"{path}: an alias leads through too many others. Write the values out") from None


def _sections(model: type[Settings]) -> frozenset[str]:
    """The keys that stand for nothing where nothing is below them."""
    return frozenset(name for name, field in model.model_fields.items() if _is_section(field))


def _is_section(field: FieldInfo) -> bool:
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
        return True
    return get_origin(field.annotation) in {dict, tuple} and not field.is_required()


def _from_environment(environ: Mapping[str, str], variables: Iterable[tuple[str, str]]) -> dict[Place, _Given]:
    # Secrets mounted as files reach the environment with their last newline, hence strip().
    return {
        tuple(key.split(".")): _Given(f"environment {name}", environ[name].strip())
        for name, key in variables
        if environ.get(name)
    }


def _from_options(options: Mapping[str, str | None]) -> dict[Place, _Given]:
    return {
        tuple(key.split(".")): _Given(
            "option --" + _OPTION_NAMES.get(key, key).replace(".", "-").replace("_", "-"), value.strip()
        )
        for key, value in options.items()
        if value is not None
    }


def _overlaid(data: Mapping[str, Any], given: Mapping[Place, _Given], sections: frozenset[str]) -> dict[str, Any]:
    # `redis:` with every line below it commented out says nothing about redis; YAML calls that null.
    result = {key: value for key, value in data.items() if value is not None or key not in sections}
    for place, one in given.items():
        target: dict[str, Any] | None = result
        for part in place[:-1]:
            target = _section(target, str(part))
        if target is not None and one.value:
            target[str(place[-1])] = one.value
    return result


def _section(parent: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    """The parent's own copy of a section, as aliases in YAML share theirs; None if the file has no mapping there."""
    section = {} if parent is None else parent.get(name, {})
    if parent is None or not isinstance(section, dict):
        return None
    own: dict[str, Any] = dict(section)
    parent[name] = own
    return own


def _sort(
    error: ErrorDetails,
    model: type[Settings],
    document: Document,
    given: Mapping[Place, _Given],
    in_file: list[Complaint],
    outside: dict[Place, str],
) -> None:
    """Add the error to the file's problems, or to those of the variable or option that gave the value."""
    place = place_of(error)
    written = document.written(place)
    for key, one in given.items():
        # An option may have made the section that its value is in.
        if place[: len(key)] == key or (written is None and key[: len(place)] == place):
            outside[key] = explain(error, Written(one.value, "text"), model)
            return
    in_file.append(Complaint(document.line(place), place, explain(error, written, model)))


def _listed(lines: list[str]) -> str:
    # A file of quite another kind can hold thousands of unknown keys.
    rest = len(lines) - MAX_LINES
    return "\n".join([*lines[:MAX_LINES], f"and {rest} more problems"] if rest > 0 else lines)


def complaints_of(path: Path, problems: Iterable[Complaint]) -> list[str]:
    """The problems of a file in the order of its lines, each a line that says where and what."""
    return [_line(path, problem) for problem in sorted(problems, key=lambda problem: problem.line)]


def _line(path: Path, problem: Complaint) -> str:
    place = ""
    for part in problem.place:
        place += f"[{part}]" if isinstance(part, int) else f".{shown(part)}"
    return f"{path}:{problem.line}: {place.lstrip('.')}{': ' if place else ''}{problem.text}"
