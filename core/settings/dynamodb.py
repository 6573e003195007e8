"""The second source: DynamoDB tables whose streams are judged by the watches' own rules."""

from __future__ import annotations

from datetime import timedelta
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from core.kinds import Kinds, entity_words
from core.settings.fields import (
    Duration,
    HttpUrl,
    Real,
    Region,
    SettingsModel,
    Text,
    WatchName,
    derived,
    matching,
    value_of,
    with_key_for_each,
)
from core.settings.watches import Constant
from core.settings.where import Where

TableName = Annotated[str, matching(r"[A-Za-z0-9_.-]{3,255}", "a DynamoDB table's name: 3 to 255 of a-z A-Z 0-9 _ . -")]
StandardQueueName = Annotated[
    str,
    matching(r"[A-Za-z0-9_-]{1,80}", "the name (not the URL) of a standard queue: up to 80 letters, digits, - and _"),
]
MOST_REORDER = timedelta(minutes=5)


def _steps(written: Any) -> Any:
    return tuple(written.split(".")) if isinstance(written, str) else written


def _one_path_complaint(written: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(written)
    except ValidationError:
        raise ValueError(
            "must be an attribute's name, a path to one inside it like data.price.usd, or a list of such names"
        ) from None


def _one_attribute_complaint(written: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(written)
    except ValidationError:
        raise ValueError("must be an attribute's name, a path like data.price.usd, or {const: text}") from None


AttributePath = tuple[str, ...]
"""The names on the way to a value: an attribute's, then those of members of the maps within."""
_Path = Annotated[
    tuple[Text, ...],
    BeforeValidator(_steps),
    Field(min_length=1, max_length=32),  # as deep as DynamoDB nests
    WrapValidator(_one_path_complaint),
]
_Attribute = Annotated[_Path | Constant, WrapValidator(_one_attribute_complaint)]


class DynamoDbAttributes(SettingsModel):
    """Which attribute of an item holds what, where it is not called like the watch's column.

    `data.price.usd` is inside the maps `data` and `price`. A name with a dot in it is written as a list, `["a.b"]`.
    `watched` has the attributes of watched columns. Each kind's word for its entity is a key, too.
    """

    known: ClassVar[Kinds]

    chain: _Attribute | None = None
    value: _Path | None = None
    changed_at: _Path | None = None
    confidence: _Path | None = None
    provenance: _Path | None = None
    source: _Path | None = None
    watched: dict[Text, _Path] = Field(default_factory=dict, max_length=1600)

    @property
    def words(self) -> tuple[str, ...]:
        """The kinds' words for their entities under which an attribute is named."""
        return tuple(word for word in entity_words(self.known) if value_of(self, word) is not None)

    def entity_of(self, kind: str) -> AttributePath | Constant | None:
        """The attribute that names the entity of an item of this kind; None where it is called like the column."""
        entity: AttributePath | Constant | None = value_of(self, self.known[kind].entity)
        return entity


class DynamoDbTable(SettingsModel):
    """The table whose stream feeds a watch.

    `where` says which of its items do, without it all of them. `on_ttl` says what an item's deletion by its time to
    live is: a deletion, marked as such, or nothing. `reorder` is how long a history's sample waits for earlier ones of
    its entity that come after it.
    """

    table: TableName
    attributes: DynamoDbAttributes
    reorder: Duration = Field(default=timedelta(0), le=MOST_REORDER)
    where: Where = None
    on_ttl: Literal["report", "ignore"] = "report"


class DynamoDbSettings(SettingsModel):
    """Where the streams are, and which watch each table feeds.

    Credentials are AWS's own variables; without a region here, it is the alerts'.
    """

    region: Region | None = None
    endpoint_url: HttpUrl | None = None
    dead_letter_queue: StandardQueueName | None = None
    timeout_seconds: Real = Field(default=5, gt=0, le=60)
    poll_interval_ms: Real = Field(default=200, gt=0, le=60_000)
    tables: dict[WatchName, DynamoDbTable] = Field(default_factory=dict, max_length=200)


def dynamodb_model(kinds: Kinds) -> type[DynamoDbSettings]:
    """The model for tables of these kinds."""
    known = derived(DynamoDbAttributes, known=(ClassVar[Kinds], kinds))
    attributes = with_key_for_each(known, entity_words(kinds), _Attribute | None)
    table = derived(DynamoDbTable, attributes=(attributes, attributes()))
    tables: Any = Field(default_factory=dict, max_length=200)
    return derived(DynamoDbSettings, tables=(GenericAlias(dict, (WatchName, table)), tables))
