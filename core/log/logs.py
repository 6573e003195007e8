"""rtp's two logs, of events and of samples: one shape, read, rotated and mended by the same queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

SLOTS = range(3)


@dataclass(frozen=True)
class Log:
    """The log rtp.<name>, in slots rtp.<name>_0 to _2, with ids from rtp.<name>_id.

    The table rtp.<cursors> says how far each `reader` has got.
    """

    name: str
    cursors: str
    reader: str

    def on(self, query: bytes, parts: Mapping[str, bytes] | None = None) -> bytes:
        """A query about a log, as one about this log; `parts` are queries that stand within it."""
        names = {
            "log": sql.Identifier("rtp", self.name),
            "sequence": sql.Literal(f"rtp.{self.name}_id"),
            "cursors": sql.Identifier("rtp", self.cursors),
            "reader": sql.Identifier(self.reader),
            "cursors_name": sql.Literal(f"rtp.{self.cursors}"),
            **{f"slot_{number}": self.slot(number) for number in SLOTS},
            **{name: sql.SQL(part.decode()) for name, part in (parts or {}).items()},
        }
        return sql.SQL(query.decode()).format(**names).as_bytes(None)

    def slot(self, number: int) -> sql.Identifier:
        """The name of one of the tables that the log is divided into."""
        return sql.Identifier("rtp", f"{self.name}_{number}")


EVENTS = Log("event", "cursor", "sink")
SAMPLES = Log("sample", "judge_cursor", "watch")
