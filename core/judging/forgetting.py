"""Dropping what the database remembers of an entity: its next row is a first sighting. Works beside a running rtp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import errors

from core.errors import RunningError
from core.judging.columns import KEY, by_column
from core.log.installation import read_installation
from core.services.postgres import own_transaction, queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from psycopg import Connection

_QUERIES = queries("core.sql", "forgetting.sql")


@dataclass(frozen=True)
class RememberedEntity:
    """An entity of a watch, with its baseline and its newest sample's time; without them only samples wait."""

    watch_id: int
    watch: str
    chain: str
    entity: str
    value: Decimal | None
    sampled_at: datetime | None
    is_quarantined: bool


def read_remembered(connection: Connection, asked: Mapping[str, str | None]) -> list[RememberedEntity]:
    """What is remembered of the `entity`, where `kind`, `watch` and `chain` are None or fit. Raises NotInstalled."""
    read_installation(connection)
    with own_transaction(connection):
        return [RememberedEntity(*row) for row in connection.execute(_QUERIES["remembered"], asked)]


def forget_entities(connection: Connection, entities: Sequence[RememberedEntity]) -> None:
    """Drop it, with the samples that wait. Raises RunningError where a writer or an installation is in the way."""
    keys = by_column(KEY, [(one.watch_id, one.chain, one.entity) for one in entities])
    try:
        with own_transaction(connection):
            connection.execute(_QUERIES["keep_judges_away"])
            for query in ("forget_samples", "forget_looks", "forget_baselines"):
                connection.execute(_QUERIES[query], keys)
    except errors.LockNotAvailable as error:
        raise RunningError(
            "an open transaction has just written one of them, or triggers are being installed; nothing was forgotten",
            "Try again when it has ended",
        ) from error
