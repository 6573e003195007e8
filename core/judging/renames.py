"""Entities that were renamed where no trigger could move their baselines: above READ COMMITTED.

In the order of their samples. A rename waits, in rtp.waiting_rename, where somebody keeps one of its two baselines, and
so do all later ones of either name: what the first one moves is theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.judging.columns import by_column
from core.judging.look import Rename
from core.services.postgres import queries
from core.services.prepared import PreparedStatements

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from core.judging.sample import EntityKey
    from core.judging.watches import InstalledWatches

_QUERIES = queries("core.sql", "looks.sql")


class WaitingRenames:
    """Makes renames within the judge's transactions, on its connection."""

    def __init__(self, connection: psycopg.Connection, installed: InstalledWatches) -> None:
        self._statements = PreparedStatements(connection, _QUERIES)
        self._installed = installed
        self._are_waiting = True

    def with_waiting(self, new: Sequence[Rename]) -> list[Rename]:
        """The renames to be made, oldest first: those that wait, and new ones."""
        if not self._are_waiting:
            return list(new)
        waiting = [Rename(*row) for row in self._statements.fetch("waiting_renames", {})]
        self._are_waiting = bool(waiting)
        return waiting + list(new)

    def make(self, renames: Sequence[Rename], known: set[EntityKey], unknown: set[EntityKey]) -> set[EntityKey]:
        """Make those whose baselines are locked, `known` or `unknown`, and keep both up. Returns who has to wait."""
        portion: list[Rename] = []
        left: list[Rename] = []
        kept: set[EntityKey] = set()
        locked = known | unknown
        for one in renames:
            keys = {one.key, one.former_key}
            if keys & kept or not keys <= locked:
                kept |= keys
                left.append(one)
                continue
            if portion and not _are_at_once(portion, one):
                self._make(portion)
                portion.clear()
            portion.append(one)
            if one.former_key in known:
                known.discard(one.former_key)
                known.add(one.key)
                unknown.discard(one.key)
        self._make(portion)
        self._keep(renames, left)
        return kept

    def _make(self, portion: Sequence[Rename]) -> None:
        if not portion:
            return
        watch = self._installed.watches.get(portion[0].watch)
        rules = 0 if watch is None else watch.rules - 1
        values = by_column(Rename._fields, portion)
        self._statements.fetch("rename", values | {"of": portion[0].watch, "rules": rules, "writer": portion[0].xid})

    def _keep(self, renames: Sequence[Rename], left: Sequence[Rename]) -> None:
        if self._are_waiting:
            made = [one.id for one in renames if one not in left]
            self._statements.fetch("drop_renames", {"ids": f"{{{','.join(map(str, made))}}}"})
        if left:
            self._statements.fetch("keep_renames", by_column(Rename._fields, left))
        self._are_waiting = bool(left)


def _are_at_once(portion: Sequence[Rename], one: Rename) -> bool:
    """Whether it makes no difference to make it together with these."""
    names = {key for other in portion for key in (other.key, other.former_key)}
    return (one.watch, one.xid) == (portion[0].watch, portion[0].xid) and not names & {one.key, one.former_key}
