"""The settings' own kinds: `kinds: {apy: {entity: pool, percent: 5}}`, beside those that rtp ships."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, model_validator

from core.kinds import MARKET, SHIPPED, Kind, Kinds
from core.settings.dynamodb import DynamoDbAttributes
from core.settings.fields import Percent, SettingsModel, Text, Word
from core.settings.routes import RouteMatch
from core.settings.watches import Override, ValueColumns

# The entity's word stands beside these keys.
_BESIDE = (ValueColumns, Override, RouteMatch, DynamoDbAttributes)
TAKEN_WORDS = {"peg"}.union(*(model.model_fields for model in _BESIDE)) - {"entity"}


def _is_new(name: str) -> str:
    if name in SHIPPED or name == MARKET.name:
        raise ValueError(f"rtp has a kind {name} of its own. Give yours another name")
    return name


def _is_free(word: str) -> str:
    if word in TAKEN_WORDS:
        raise ValueError(f"{word} means something else beside it. Give the entity another name, e.g. pool")
    return word


_Affix = Annotated[Text, Field(max_length=8)]


class OwnKind(SettingsModel):
    """A kind of thing that rtp does not ship, as docs/reference/detection.md explains."""

    entity: Annotated[Word, AfterValidator(_is_free)]
    value: StrictBool = True
    percent: Percent | None = None
    peg: StrictBool = False
    prefix: _Affix | None = None
    suffix: _Affix | None = None
    color: Literal["red", "green", "yellow", "blue", "magenta", "cyan", "white"] = "green"

    @model_validator(mode="after")
    def _metadata_has_no_amounts(self) -> Self:
        amounts = {"percent": self.percent, "peg": self.peg or None, "prefix": self.prefix, "suffix": self.suffix}
        given = [key for key, one in amounts.items() if one is not None]
        if given and not self.value:
            raise ValueError(f"a kind without a value has no {given[0]}. Remove it, or `value: false`")
        return self


OwnKinds = Annotated[dict[Annotated[Word, AfterValidator(_is_new)], OwnKind], Field(max_length=100)]


class _KindsAlone(SettingsModel):
    model_config = ConfigDict(extra="ignore")

    kinds: Annotated[OwnKinds, Field(default_factory=dict)]


def all_kinds(own: dict[str, OwnKind]) -> Kinds:
    """The table of kinds, rtp's own rows first."""
    return {**SHIPPED, **{name: _row(name, kind) for name, kind in own.items()}}


def kinds_in(settings: Any) -> Kinds:
    """The table that settings ask for, before anything else of them is looked at. Raises ValidationError."""
    return all_kinds(_KindsAlone.model_validate(settings).kinds)


def _row(name: str, kind: OwnKind) -> Kind:
    return Kind(
        name,
        kind.entity,
        has_value=kind.value,
        percent=Decimal(1) if kind.percent is None else kind.percent,
        has_peg=kind.peg,
        prefix=kind.prefix or "",
        suffix=kind.suffix or "",
        color=kind.color,
    )
