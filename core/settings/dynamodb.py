"""The second source: DynamoDB tables whose streams are judged by the watches' own rules."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WrapValidator

from core.settings.fields import (
    HttpUrl,
    Identifier,
    Real,
    Region,
    SettingsModel,
    Text,
    WatchName,
    matching,
    one_column_complaint,
)
from core.settings.watches import Constant

TableName = Annotated[str, matching(r"[A-Za-z0-9_.-]{3,255}", "a DynamoDB table's name: 3 to 255 of a-z A-Z 0-9 _ . -")]
StandardQueueName = Annotated[
    str,
    matching(r"[A-Za-z0-9_-]{1,80}", "the name (not the URL) of a standard queue: up to 80 letters, digits, - and _"),
]
_Attribute = Annotated[Identifier | Constant, WrapValidator(one_column_complaint)]


class DynamoDbAttributes(SettingsModel):
    """Which attribute of an item holds what, where it is not called like the watch's column."""

    chain: _Attribute | None = None
    protocol: _Attribute | None = None
    token: _Attribute | None = None
    value: Text | None = None
    changed_at: Text | None = None
    confidence: Text | None = None
    provenance: Text | None = None


class DynamoDbTable(SettingsModel):
    """The table whose stream feeds a watch."""

    table: TableName
    attributes: DynamoDbAttributes = DynamoDbAttributes()


class DynamoDbSettings(SettingsModel):
    """Where the streams are, and which watch each table feeds.

    Credentials are AWS's own variables; without a region here, it is the alerts'.
    """

    region: Region | None = None
    endpoint_url: HttpUrl | None = None
    dead_letter_queue: StandardQueueName | None = None
    timeout_seconds: Real = Field(default=5, gt=0, le=60)
    poll_interval_ms: Real = Field(default=200, gt=0, le=60_000)
    tables: Annotated[dict[WatchName, DynamoDbTable], Field(default_factory=dict, max_length=200)]
