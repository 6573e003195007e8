"""Recorded samples to try rules on: a feed file, or a table of the database. Read once, in bounded memory."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from core.demo.change import PriceChange, ProtocolChange, TvlChange
from core.demo.replay import FeedFile
from core.detection.judge import Sample
from core.errors import SettingsError
from core.services.postgres import queries
from core.settings.watches import Constant
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from core.detection.detector import Key
    from core.settings.watches import Column, ValueWatch

    Row = tuple[Key, Sample] | None
    """A sample and its entity's key; None for a row without a usable sample."""

_QUERIES = queries("core.sql", "history.sql")
_KINDS = {"tvl_usd": "tvl", "price_usd": "price"}
_ROWS_AT_A_TIME = 10_000
_LONGEST_NAMES = 1000
_WIDEST_NUMBER = 131_072
"""The triggers' limit, and NUMERIC's."""


@dataclass(frozen=True)
class FileHistory:
    """A CSV file in one of the demo feed's layouts."""

    feed: FeedFile
    kind: str

    @classmethod
    def open(cls, path: Path) -> FileHistory:
        """Read the header. Raises FeedError for a file that is no feed, SettingsError for a feed without values."""
        feed = FeedFile.open(path)
        kind = next((kind for column, kind in _KINDS.items() if column in feed.layout.needs), None)
        if kind is None:
            raise SettingsError(f"{path} holds protocols' metadata, which has no thresholds", "Give TVL or prices")
        return cls(feed, kind)

    def count(self) -> int:
        """About how many rows there are, for the progress bar. Counts the file's lines."""
        path = self.feed.path
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            return sum(block.count(b"\n") for block in iter(lambda: lines.read(1 << 20), b""))

    def rows(self) -> Iterator[Row]:
        """Every sample, in the file's order."""
        for step in self.feed.steps():
            for change in step.changes:
                assert step.at is not None
                match change:
                    case TvlChange():
                        yield (change.chain, change.protocol), Sample(change.tvl_usd, step.at)
                    case PriceChange():
                        yield (change.chain, change.token), Sample(change.price_usd, step.at)
                    case ProtocolChange():
                        raise AssertionError("a file of values holds no metadata")


@dataclass(frozen=True)
class TableHistory:
    """A table or view with a row per sample, in the columns that a watch maps."""

    connection: psycopg.Connection
    table: tuple[str, ...]
    watch: ValueWatch

    def count(self) -> int:
        """About how many rows there are, for the progress bar. The planner's estimate."""
        name = sql.Identifier(*self.table).as_string(self.connection)
        row = self.connection.execute(_QUERIES["estimate"], {"table": name}).fetchone()
        return int(row[0]) if row else 0

    def rows(self) -> Iterator[Row]:
        """Every row, by time. Raises SettingsError where the table does not have the watch's columns."""
        try:
            with self.connection.transaction(), self.connection.cursor("rtp_backtest") as cursor:
                cursor.itersize = _ROWS_AT_A_TIME
                cursor.execute(self._query())
                for row in cursor:
                    yield _row(*row)
        except (psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError) as error:
            name = ".".join(self.table)
            raise SettingsError(
                f"{name} cannot be read as a history: {one_line(error)}",
                "Its columns must be those that the watch maps, `changed_at` the samples' time",
            ) from error

    def _query(self) -> sql.Composed:
        columns = self.watch.columns
        if columns.changed_at is None:
            raise SettingsError("the watch maps no `changed_at`, which is the time of a history's samples", "Map it")
        return sql.SQL(_QUERIES["read_history"].decode()).format(
            chain=_expression(columns.chain),
            entity=_expression(columns.entity),
            value=sql.Identifier(columns.value),
            at=sql.Identifier(columns.changed_at),
            table=sql.Identifier(*self.table),
        )


def _expression(column: Column) -> sql.Composable:
    return sql.Literal(column.const) if isinstance(column, Constant) else sql.Identifier(column)


def _row(chain: str | None, entity: str | None, value: str | None, at: datetime | None) -> Row:
    """A row as a sample, where a trigger could judge it."""
    if not chain or not entity or at is None or len(chain.encode()) + len(entity.encode()) > _LONGEST_NAMES:
        return None
    if value is None:
        return (chain, entity), Sample(None, at)
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if number.is_finite() and abs(number.adjusted()) > _WIDEST_NUMBER:
        return None
    return (chain, entity), Sample(number, at)
