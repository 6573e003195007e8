"""What an installation or a removal would do, on one page: for whoever has to approve it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.services.postgres import own_transaction
from triggers.catalog import read_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from psycopg import Connection

    from triggers.steps import Action, Step

_FUNCTION = re.compile(r"^(CREATE OR REPLACE|DROP) FUNCTION (?:IF EXISTS )?\"?rtp\"?\.\"?(\w+)", re.MULTILINE)
_SCHEMA = "schema rtp"


@dataclass(frozen=True)
class TableSummary:
    """What becomes of one of the user's tables. `lock` is held from the moment at which it is had until the end."""

    table: str
    makes: Sequence[str]
    drops: Sequence[str]
    lock: str
    keeps_out: str
    is_read: bool
    rows: int | None
    bytes: int | None


@dataclass(frozen=True)
class Summary:
    """The steps that change anything, what they do to each table, and to which functions in the schema rtp.

    `shared_functions` are those that the functions of all watches call.
    """

    actions: Sequence[Action]
    tables: Sequence[TableSummary]
    makes_functions: Sequence[str]
    drops_functions: Sequence[str]
    shared_functions: Sequence[str]


def summarise(connection: Connection, steps: Sequence[Step]) -> Summary:
    """Look at the steps, and at how large the tables are."""
    with own_transaction(connection, "READ ONLY"):
        tables = list(_tables(connection, steps))
    shared = [step for step in steps if step.action.subject == _SCHEMA]
    functions = list(dict.fromkeys(_functions(step for step in steps if step not in shared)))
    made = [name for verb, name in functions if verb != "DROP"]
    return Summary(
        [step.action for step in steps if step.statements or step.touches or step.action.what == "held up"],
        tables,
        made,
        [name for verb, name in functions if verb == "DROP" and name not in made],
        list(dict.fromkeys(name for verb, name in _functions(shared) if verb != "DROP")),
    )


def _tables(connection: Connection, steps: Iterable[Step]) -> Iterator[TableSummary]:
    touches = [touch for step in steps for touch in step.touches]
    for table in dict.fromkeys(touch.table for touch in touches):
        own = [touch for touch in touches if touch.table == table]
        drops = list(dict.fromkeys(name for touch in own for name in touch.drops))
        makes = list(dict.fromkeys(name for touch in own for name in touch.makes))
        keeps_writers_out = bool(makes) or any(touch.keeps_writers_out for touch in own)
        lock, keeps_out = _lock(keeps_writers_out=keeps_writers_out, drops=bool(drops))
        yield TableSummary(
            table,
            makes,
            [name for name in drops if name not in makes],
            lock,
            keeps_out,
            any(touch.is_read for touch in own),
            *read_size(connection, table),
        )


def _lock(*, keeps_writers_out: bool, drops: bool) -> tuple[str, str]:
    if drops:
        return "ACCESS EXCLUSIVE", "readers and writers"
    return ("SHARE ROW EXCLUSIVE", "writers") if keeps_writers_out else ("ACCESS SHARE", "nobody")


def _functions(steps: Iterable[Step]) -> Iterator[tuple[str, str]]:
    for step in steps:
        for statement in step.statements:
            yield from _FUNCTION.findall(statement.as_string(None))
