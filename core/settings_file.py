"""From a YAML file, the environment and the command's options to `Settings`, or to every problem at once.

Strength, weakest first: the file, AWS's variables, rtp's own variables, the options. An empty variable counts as
unset, since deployments often pass on what they do not have. So a variable cannot take a value away: to run
without alerts, leave `queue` out of the file. A variable or an option of nothing but spaces is a problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from core.errors import SettingsError
from core.settings import Settings
from core.settings_problems import place_of
from core.settings_syntax import read_nodes
from core.settings_yaml import Document

if TYPE_CHECKING:
    from collections.abc import Mapping


_VARIABLES = (  # weakest first
    ("AWS_DEFAULT_REGION", "sqs.region"),
    ("AWS_REGION", "sqs.region"),
    ("RTP_POSTGRES_DSN", "postgres.dsn"),
    ("RTP_REDIS_URL", "redis.url"),
    ("RTP_SQS_ENDPOINT_URL", "sqs.endpoint_url"),
    ("RTP_SQS_QUEUE", "sqs.queue"),
)
_SECTIONS = frozenset(
    name
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
)


@dataclass(frozen=True)
class _Given:
    """A value from outside the file, and what to call the place it came from."""

    origin: str
    value: str


def load_settings(path: Path | None, *, environ: Mapping[str, str], options: Mapping[str, str | None]) -> Settings:
    """The settings in force. `path` None means rtp's own default.yaml; options have keys like `postgres.dsn`.

    Raises SettingsError; its message has one line per problem, those of the file first and by line.
    """
    path = path or default_path()
    document = Document(read_nodes(path))
    given = {**_from_environment(environ), **_from_options(options)}
    blank = [f"{one.origin}: is blank. Give it a value or leave it out" for one in given.values() if _blank(one)]
    given = {place: one for place, one in given.items() if not _blank(one)}
    in_file = [(problem.line, problem.place, problem.text) for problem in document.problems]
    outside = blank
    settings = None
    try:
        settings = Settings.model_validate(_overlaid(document.data, given))
    except ValidationError as failure:
        for error in _worth_telling(failure):
            place = place_of(error)
            ...
    if settings is None:
        raise SettingsError("")
    return settings


def default_path() -> Path:
    """The default.yaml that comes with rtp."""
    return Path(str(files("configs").joinpath("default.yaml")))
