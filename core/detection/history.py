"""Recorded samples to try rules on: a feed file, or a table of the database. Read once, in bounded memory."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from core.demo.csv_file import CsvFile, open_csv
from core.demo.layout import Layout, number_in, text_in
from core.detection.state import Sample
from core.errors import SettingsError
from core.kinds import SHIPPED
from core.services.postgres import queries
from core.settings.watches import EVERYWHERE, Constant
from rtp_client.errors import one_line
from rtp_client.moment import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, tzinfo
    from pathlib import Path

    from core.detection.detector import Key
    from core.kinds import Kind
    from core.settings.watches import Column, ValueWatch

    _Values = tuple[Key, Decimal, str]
    Row = tuple[Key, Sample] | None
    """A sample and its entity's key; None for a row without a usable sample."""

_QUERIES = queries("core.sql", "history.sql")
_VALUES = {"tvl": "tvl_usd", "price": "price_usd"}
_ROWS_AT_A_TIME = 10_000
_LONGEST_NAMES = 1000
_WIDEST_NUMBER = 131_072
"""The triggers' limit, and NUMERIC's."""


@dataclass(frozen=True)
class FileHistory:
    """A CSV file of a kind's values. A time that names no zone is one of `zone`."""

    file: CsvFile[_Values]
    kind: str
    zone: tzinfo = UTC

    @classmethod
    def open(cls, path: Path, kinds: Iterable[Kind] = tuple(SHIPPED.values())) -> FileHistory:
        """Read the header; the first kind that fits is the file's. Raises FeedError."""
        layouts = {kind.name: _layout(kind) for kind in kinds if kind.has_value}
        if "price" in layouts:
            layouts[_CHAINLINK] = _CHAINLINK_ROUNDS
        file = open_csv(path, list(layouts.values()))
        found = next(name for name, layout in layouts.items() if layout is file.layout)
        return cls(file, "price" if found == _CHAINLINK else found)

    def check(self, watch: ValueWatch) -> None:
        """Raise SettingsError where the file lacks what the watch's rules need."""
        if watch.agree is not None and "source" not in self.file.columns:
            raise SettingsError(
                f"{self.file.path} has no column source: agree needs to know who says so", "Add it, or leave out agree"
            )

    def count(self) -> int:
        """About how many rows there are, for the progress bar. Counts the file's lines."""
        path = self.file.path
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            return sum(block.count(b"\n") for block in iter(lambda: lines.read(1 << 20), b""))

    def rows(self) -> Iterator[Row]:
        """Every sample, in the file's order."""
        for at, (key, value, source) in self.file.rows(self.zone):
            assert at is not None
            yield key, Sample(value, at, source=source)


def _layout(kind: Kind) -> Layout[_Values]:
    """What a file of a kind must have: its word for the entity and its name, or what a feed has in their place."""
    is_shipped = kind.name in _VALUES
    value = _VALUES.get(kind.name, kind.name)

    def parse(row: Mapping[str, str], _source: str) -> _Values:
        chain = text_in(row, "chain") if "chain" in row else EVERYWHERE.const
        return (chain, text_in(row, kind.entity)), number_in(row, value), (row.get("source") or "").strip()

    needs = {kind.entity, value} | ({"chain"} if is_shipped else set())
    columns = f"chain, {value}" if is_shipped else f"{value} [, chain]"
    return Layout(frozenset(needs), True, f"{kind.name}: time, {kind.entity}, {columns}", parse)


def _chainlink_round(row: Mapping[str, str], source: str) -> _Values:
    """A round of a feed in US dollars; `..._usdc_usd_...` in the file's name is the feed of USDC."""
    pair = re.search(r"([a-z0-9]+)[_-]usd(?![a-z0-9])", source.lower())
    return (_CHAINLINK, pair[1] if pair else source), number_in(row, "answer").scaleb(-_USD_DECIMALS), ""


_CHAINLINK, _USD_DECIMALS = "chainlink", 8
_CHAINLINK_ROUNDS = Layout(
    frozenset({"roundid", "answer", "updatedat"}),
    True,
    "rounds of Chainlink: roundId, answer, updatedAt",
    _chainlink_round,
)


@dataclass(frozen=True)
class TableHistory:
    """A table or view with a row per sample, in the columns that a watch maps.

    All of it, or so many of the `newest` rows; of those, `only` the ones of some entities.
    """

    connection: psycopg.Connection
    table: tuple[str, ...]
    watch: ValueWatch
    newest: int | None = None
    only: Sequence[str] = ()

    def count(self) -> int:
        """About how many rows there are, for the progress bar. The planner's estimate."""
        row = self.connection.execute(_QUERIES["estimate"], {"table": self._name}).fetchone()
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
        asked = {"table": self._name, "column": columns.changed_at}
        column_type = self.connection.execute(_QUERIES["column_type"], asked).fetchone() or ("",)
        return sql.SQL(_QUERIES["read_history"].decode()).format(
            chain=_expression(columns.chain),
            entity=_expression(columns.entity),
            value=sql.Identifier(columns.value),
            source=sql.Literal("") if columns.source is None else sql.Identifier(columns.source),
            at=moment(sql.Identifier(columns.changed_at), column_type[0], self.watch.timezone),
            table=self._rows_of(sql.Identifier(columns.changed_at)),
        )

    def _rows_of(self, time: sql.Identifier) -> sql.Composable:
        table = sql.Identifier(*self.table)
        if self.newest is None:
            return table
        is_asked: sql.Composable = sql.SQL("true")
        if self.only:
            entity = _expression(self.watch.columns.entity)
            is_asked = sql.SQL("{}::text = ANY ({})").format(entity, sql.Literal(list(self.only)))
        parts = {"table": table, "time": time, "limit": sql.Literal(self.newest), "is_asked": is_asked}
        return sql.SQL(_QUERIES["newest"].decode()).format(**parts)

    @property
    def _name(self) -> str:
        """The table as to_regclass() takes it."""
        return sql.Identifier(*self.table).as_string(self.connection)


def _expression(column: Column) -> sql.Composable:
    return sql.Literal(column.const) if isinstance(column, Constant) else sql.Identifier(column)


def _row(chain: str | None, entity: str | None, value: str | None, source: str | None, at: datetime | None) -> Row:
    """A row as a sample, where a trigger could judge it."""
    if not chain or not entity or at is None or len(chain.encode()) + len(entity.encode()) > _LONGEST_NAMES:
        return None
    if value is None:
        return (chain, entity), Sample(None, at, source=source or "")
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if number.is_finite() and abs(number.adjusted()) > _WIDEST_NUMBER:
        return None
    return (chain, entity), Sample(number, at, source=source or "")
