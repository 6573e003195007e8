"""Secrets in the settings: text as it stands, or `{env: NAME}` for what an environment variable holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from core.settings.located_yaml import Block


class Variable(str):
    """The name of an environment variable, in the place of what it holds. Not every command needs to have that.

    `written_at` is the file and the line, where it comes from a file.
    """

    written_at: str = ""


def _text_or_variable(value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> str:
    if isinstance(value, Variable):
        return value
    if not isinstance(value, dict):
        return str(validate(value))
    if value.keys() != {"env"} or not isinstance(value["env"], str) or not value["env"]:
        raise ValueError("must be text, or {env: NAME} for what an environment variable holds")
    variable = Variable(value["env"])
    if isinstance(value, Block):
        variable.written_at = f"{(info.context or {}).get('file')}:{value.line}"
    return variable


def _as_written(value: str) -> Any:
    return {"env": str(value)} if isinstance(value, Variable) else value


Secret = Annotated[
    str,
    Field(max_length=4096),
    WrapValidator(_text_or_variable),
    PlainSerializer(_as_written, when_used="json"),
]


def checked(check: Callable[[str], str]) -> AfterValidator:
    """What a text must be; what a variable holds is checked once somebody asks for it."""
    return AfterValidator(lambda value: value if isinstance(value, Variable) else check(value))


def whence(variable: Variable, place: str, loc: Iterable[str | int]) -> str:
    """Where a variable is named: the file and the line, then the key."""
    key = place + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return f"{variable.written_at}: {key}" if variable.written_at else key
