"""What a single value in the settings may be: the types of fields, with their bounds and their complaints.

Each complaint continues the sentence `watches.tvl.percent: …`; `core.settings.problems` adds what was written.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
)

from core.settings.addresses import http_url, listening, postgres_dsn, redis_url

if TYPE_CHECKING:
    from collections.abc import Iterable


class SettingsModel(BaseModel):
    """What all settings have in common. Addresses hold passwords, so an error never carries the input along."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, serialize_by_alias=True, defer_build=True
    )


Model = TypeVar("Model", bound=SettingsModel)


def derived(base: type[Model], /, **fields: Any) -> type[Model]:
    """The model with other, or narrower, fields: what only the table of kinds can tell. Each is (type, default)."""
    return create_model(base.__name__, __base__=base, **fields)


def with_key_for_each(base: type[Model], names: Iterable[str], annotation: Any, default: Any = None) -> type[Model]:
    """The model with a key for each of these names; `value_of` reads it.

    The names come from the settings, and could be those of pydantic's own methods: so they are not the fields'.
    """
    return derived(base, **{f"of_{name}": (annotation, Field(default=default, alias=name)) for name in names})


def value_of(model: SettingsModel, name: str) -> Any:
    """What a model has under one of the names that it was made for."""
    return getattr(model, f"of_{name}")


# PostgreSQL cuts longer identifiers off in silence; it counts bytes, not characters.
MAX_IDENTIFIER_BYTES = 63


def _a_number(value: Any) -> Any:
    """Refuse what pydantic would take for a number, or would take forever over."""
    if value is True or value is False:
        raise ValueError("must be a number")
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("must be a finite number")
        # An integer made from 1e999999999 has a thousand million digits.
        if value.adjusted() > 40:
            raise ValueError("must be a smaller number")
    return value


def _without_percent_sign(value: Any) -> Any:
    return value.strip().removesuffix("%").strip() if isinstance(value, str) else value


_UNIT_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)", value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a duration, like 500ms, 30s, 5m, 1h or 1d")
    return timedelta(seconds=float(Decimal(match[1]) * _UNIT_SECONDS[match[2]]))


def _in_seconds(value: timedelta) -> str:
    """A duration that `_duration` reads back as it was: every digit, no exponent."""
    return f"{(Decimal(value // timedelta(microseconds=1)) / 1_000_000).normalize():f}s"


def off_is_a_word(value: Any) -> Any:
    """YAML reads an unquoted `off` as false; where it is one of several choices, the word is meant."""
    return "off" if value is False else value


def _duration_or_off(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate("0s" if off_is_a_word(value) == "off" else value)
    except ValidationError as error:
        if error.errors()[0]["type"] != "value_error":
            raise
        raise ValueError("must be a duration, like 500ms, 30s, 5m, 1h or 1d, or off") from None


# Names under which a machine keeps more than the zones that everybody knows by them: PostgreSQL takes none of these.
_OF_ONE_MACHINE = re.compile(r"localtime|posixrules|Factory|(?:posix|right)/.*")


def time_zone(value: str) -> str:
    """The name of a time zone. Raises ValueError for what is none."""
    if _OF_ONE_MACHINE.fullmatch(value):
        raise ValueError("must be the name of a time zone that every machine knows, like UTC or Europe/Berlin")
    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        known = sorted(available_timezones())
        close = get_close_matches(value, known, n=1) or [name for name in known if name.lower() == value.lower()]
        meant = f" (did you mean {close[0]}?)" if close else ""
        raise ValueError(f"must be the name of a time zone, like UTC or Europe/Berlin{meant}") from None
    return value


def _printable(value: str) -> str:
    if re.search("[\x00-\x1f\x7f\ud800-\udfff]", value):
        raise ValueError("must not hold control characters")
    return value


def _identifier(value: str) -> str:
    if not 1 <= len(value.encode()) <= MAX_IDENTIFIER_BYTES:
        raise ValueError(f"must be a name of 1 to {MAX_IDENTIFIER_BYTES} bytes")
    return value


def _table(value: str) -> str:
    parts = value.split(".")
    if len(parts) > 2 or not all(1 <= len(part.encode()) <= MAX_IDENTIFIER_BYTES for part in parts):
        raise ValueError(f"must be `table` or `schema.table`, each of 1 to {MAX_IDENTIFIER_BYTES} bytes")
    return value


def secret_name(value: str) -> str:
    """The name or ARN of a secret of AWS Secrets Manager. Raises ValueError for what is neither."""
    if not re.fullmatch(r"[A-Za-z0-9/_+=.@:-]{1,2048}", value):
        raise ValueError("must be the name or the ARN of a secret of AWS Secrets Manager")
    return value


def matching(pattern: str, meaning: str) -> AfterValidator:
    """Like pydantic's own pattern, but it tells people what is wanted instead of showing them a regex."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"must be {meaning}")
        return value

    return AfterValidator(check)


def one_column_complaint(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """One complaint for the column instead of one for each form that it could have had."""
    try:
        return validate(value)
    except ValidationError:
        raise ValueError(f"must be a column's name (1 to {MAX_IDENTIFIER_BYTES} bytes) or {{const: text}}") from None


Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_printable)]
Table = Annotated[str, AfterValidator(_printable), AfterValidator(_table)]
_Address = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_printable)]
PostgresDsn = Annotated[_Address, AfterValidator(postgres_dsn)]
RedisUrl = Annotated[_Address, AfterValidator(redis_url)]
HttpUrl = Annotated[_Address, AfterValidator(http_url)]
Listening = Annotated[_Address, AfterValidator(listening)]
Identifier = Annotated[str, AfterValidator(_printable), AfterValidator(_identifier)]
_Number = BeforeValidator(_a_number)
Whole = Annotated[int, _Number]
Real = Annotated[float, _Number, Field(allow_inf_nan=False)]
Percent = Annotated[
    Decimal,
    _Number,
    BeforeValidator(_without_percent_sign),
    Field(ge=0, le=1_000_000, max_digits=60, allow_inf_nan=False),
]
Magnitude = Annotated[Decimal, _Number, Field(ge=0, le=Decimal("1e30"), max_digits=60, allow_inf_nan=False)]
Word = Annotated[
    str,
    matching(r"[a-z][a-z0-9_]{0,39}", "a name of up to 40 small letters, digits and _ that starts with a letter"),
]
WatchName = Word
SourceName = Annotated[str, matching(r"[A-Za-z0-9._~/:-]{1,200}", "up to 200 letters, digits and . _ ~ / : -")]
QueueName = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_-]{1,75}\.fifo",
        "the name (not the URL) of a FIFO queue: up to 75 letters, digits, - and _, then .fifo",
    ),
]
MetricNamespace = Annotated[
    str,
    matching(r"(?!AWS/)[A-Za-z0-9._/#:-]{1,255}", "up to 255 letters, digits and . - _ / # :, and not begin with AWS/"),
]
SecretName = Annotated[str, AfterValidator(secret_name)]
Region = Annotated[str, matching(r"[a-z0-9-]{1,40}", "an AWS region, e.g. eu-west-1")]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    Field(le=timedelta(days=3650)),
    PlainSerializer(_in_seconds, return_type=str, when_used="json"),
]
DurationOrOff = Annotated[Duration, WrapValidator(_duration_or_off)]
TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(time_zone)]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_printable)]
