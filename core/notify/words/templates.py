"""The templates of messages: one shipped for each format, or a file of the user's own, rendered in a sandbox."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, cast

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from core.errors import SettingsError
from core.notify.words.dialects import TEXT
from core.settings.notify import SHIPPED_TEMPLATES, TEMPLATE_ENDINGS
from rtp_client.errors import one_line
from rtp_client.redact import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Template as CompiledTemplate

    from core.notify.words.dialects import Dialect
    from core.notify.words.manner import Format

_SHIPPED = Path(__file__).parent / "shipped"
_MOST_BYTES = 100_000
_OWN_OBJECT = re.compile(r"'core\.[\w.]*?\.(\w+?)(?:View)? object'")


class TemplateFailed(Exception):
    """A template could not be rendered; the message says where and why."""


@dataclass(frozen=True)
class Template:
    """What a message's body is made by. Without a format it is the shipped one of whatever format the service wants."""

    name: str
    format: Format | None
    source: str = ""

    def render(self, dialect: Dialect, wanted: Format, values: Mapping[str, Any]) -> tuple[str | None, str]:
        """The title that it sets, if any, and the body. Raises TemplateFailed."""
        source = self.source or _shipped(self.format or wanted)
        template = _compiled(dialect, source)
        try:
            module = template.make_module(dict(values))
            body = str(module)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            compiled = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == "<template>"]
            line = template.get_corresponding_lineno(compiled[-1] or 1) if compiled else 1
            raise TemplateFailed(f"{self.name}:{line}: {_named_plainly(one_line(error))}") from None
        title = vars(module).get("title")
        return None if title is None else str(title), body


SHIPPED = Template("the shipped template", None)


def template_of(written: str | None, place: str) -> Template:
    """The template that an audience names: `text`, `markdown`, `html`, or a file. Raises SettingsError."""
    if written is None:
        return SHIPPED
    if written in SHIPPED_TEMPLATES:
        return Template(written, cast("Format", written))
    written_in = next(written_in for ending, written_in in TEMPLATE_ENDINGS.items() if written.endswith(ending))
    return Template(Path(written).name, cast("Format", written_in), _read(Path(written), place))


def _named_plainly(failure: str) -> str:
    """Jinja names an object by its class and module, which whoever writes a template has never seen."""
    return _OWN_OBJECT.sub(r"\1", failure)


def _read(file: Path, place: str) -> str:
    try:
        with file.open("rb") as opened:
            held = opened.read(_MOST_BYTES + 1)
        source = held.decode()
    except OSError as error:
        raise SettingsError(f"{place}: {shown(file.name)} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{place}: {shown(file.name)} is not UTF-8") from error
    if len(held) > _MOST_BYTES or not source.strip():
        raise SettingsError(f"{place}: {shown(file.name)} must hold 1 to {_MOST_BYTES:,} bytes")
    try:
        _environment(TEXT).from_string(source)
    except TemplateSyntaxError as error:
        raise SettingsError(f"{place}: {shown(file.name)}:{error.lineno}: {one_line(error)}") from error
    return source


@lru_cache(maxsize=len(SHIPPED_TEMPLATES))
def _shipped(written_in: Format) -> str:
    return (_SHIPPED / f"{written_in}.j2").read_text("utf-8")


@lru_cache(maxsize=256)
def _compiled(dialect: Dialect, source: str) -> CompiledTemplate:
    return _environment(dialect).from_string(source)


@lru_cache(maxsize=16)
def _environment(dialect: Dialect) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=dialect.marked,
        autoescape=False,
        cache_size=100,
    )
    environment.filters["bold"] = dialect.bold
    environment.filters["link"] = dialect.link
    return environment
