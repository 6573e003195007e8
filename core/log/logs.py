"""rtp's two logs, of events and of samples: one shape, read, rotated and mended by the same queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

_SLOTS = range(3)


@dataclass(frozen=True)
class Log:
    """The log rtp.<name>, in slots rtp.<name>_0 to _2, with ids from rtp.<name>_id.

    The table rtp.<cursors> says how far each `reader` has got; rtp.<latest>, if any, keeps each entity's newest row.
    """

    name: str
    cursors: str
    reader: str
    latest: str | None = None

    def on(self, query: bytes, parts: Mapping[str, bytes] | None = None, *, slot: int = 0) -> bytes:
        """A query about a log or one of its slots, as one about this log; `parts` are queries that stand within it."""
        names = {
            "log": sql.Identifier("rtp", self.name),
            **{f"slot_{number}": self._slot(number) for number in _SLOTS},
            "slot": self._slot(slot),
            "latest": sql.Identifier("rtp", self.latest or ""),
            "sequence": sql.Literal(f"rtp.{self.name}_id"),
            "cursors": sql.Identifier("rtp", self.cursors),
            "cursors_name": sql.Literal(f"rtp.{self.cursors}"),
            "reader": sql.Identifier(self.reader),
        }
        within = {name: sql.SQL(part.decode()) for name, part in (parts or {}).items()}
        return sql.SQL(query.decode()).format(**names, **within).as_bytes(None)

    def _slot(self, number: int) -> sql.Identifier:
        return sql.Identifier("rtp", f"{self.name}_{number}")


EVENTS = Log("event", "cursor", "sink", "latest_event")
SAMPLES = Log("sample", "judge_cursor", "watch")
FRONT = 0
"""The reader of samples that stands for a watch in rtp.judge_cursor: all watches which keep up."""
