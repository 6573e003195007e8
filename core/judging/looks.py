"""Looks at the user's tables: what a trigger that judges by itself could not judge.

Such a trigger judges a row that is there, under READ COMMITTED, against the baseline. Two things it leaves to the
judge, by a sample in the log. A row that is gone (DELETE, TRUNCATE, another key) may come back within the transaction,
and is then compared with the baseline, which stays. And above READ COMMITTED the baseline in sight may be older than
the row.
For each entity of such samples, the judge, in READ COMMITTED,

  0. has what is known of a renamed entity go over to its name of now (renames.py).
  1. locks the baseline, or puts one in the place where there is none. It waits for nobody: what somebody else holds it
     puts off, in rtp.look, and takes the look again later.
  2. asks the table, by a later statement, what it holds. Values that were written above READ COMMITTED, and that
     nothing newer has been judged of, come before; then what is there now, or that nothing is there. That is left to
     the sample of the deletion where it is yet to come: it says what the row had said of itself.
  3. writes events, baselines and how far the log is judged, in one transaction.

Why nothing that is committed is lost. Of each entity, once no transaction that wrote it is open, none of its samples
waits and no look is put off, what the table holds has been judged against the baseline as it is:

  - Whoever wrote last did so under READ COMMITTED, with its baseline locked: where the value had to be reported, was
    seen for the first time, or the baseline is of earlier rules. (A look leaves earlier rules, and so does a deletion.)
    Then it and each look came one after the other, and the second one has seen what the first has left.
  - Or its value was within the band, and it has locked nothing. The baseline that it read may have been moved by a look
    that had not seen its row. But then its transaction was open, or had ended, when that look committed. So a look
    that has moved a baseline is taken once more, when all transactions have ended that were writing to the table after
    it had committed. What those that began later compare with is the baseline of the look.
  - Or it wrote above READ COMMITTED, or has deleted the row: then a sample of its own says so, which is visible as soon
    as the row is, and judged after that.

Whatever ends the judge in between, all of a look is committed or nothing: then the samples, or the row of rtp.look,
are still there. A look taken twice finds nothing new. An installation and a look keep each other out (Ledger). Where
the table cannot be read, the look is put off, and what is in its way is noted, as with a trigger that cannot judge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors, sql

from core.judging.columns import KEY, by_column
from core.judging.entity import EntityMemory
from core.judging.findings import JudgingError
from core.judging.look import Gone, Look, judge_look, judge_written, looks_at_renamed, looks_for, renames_in
from core.judging.rename import is_aside
from core.judging.renames import WaitingRenames
from core.judging.sample import SampleRow
from core.judging.unreadable import AGAIN_SECONDS, Unreadable
from core.services.postgres import queries
from core.services.prepared import PreparedStatements
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from core.detection.detector import Key
    from core.judging.findings import Findings
    from core.judging.look import Rename
    from core.judging.sample import EntityKey
    from core.judging.states import States
    from core.judging.watches import InstalledMetadata, InstalledWatch, InstalledWatches

_QUERIES = queries("core.sql", "looks.sql")
_PUT_OFF = (*KEY, "waits", "pause", "gone_at", "gone_confidence", "gone_provenance", "fields", "gone_xid")
_PATIENCE, _NO_PATIENCE = "50ms", "1ms"
_WHILE_LOCKED_SECONDS = 0.2
MOST_AT_ONCE = 500
_MOST_ASKED_FOR = 10 * MOST_AT_ONCE


class Looks:
    """Takes looks, within the judge's transactions, on its connection."""

    def __init__(self, connection: psycopg.Connection, states: States, installed: InstalledWatches) -> None:
        self._connection = connection
        self._statements = PreparedStatements(connection, _QUERIES)
        self._states = states
        self._installed = installed
        self._unreadable = Unreadable()
        self._renames = WaitingRenames(connection, installed)
        self.are_put_off = True
        """Whether there may be looks to be taken again."""

    def take(self, rows: Sequence[SampleRow], findings: Findings, *, judged: Sequence[SampleRow] = ()) -> None:
        """Take the looks that samples ask for, also those of which what was written is judged."""
        every, done = [*judged, *rows], {row.id for row in judged}
        fields = self._fields_before(every)
        looks = looks_at_renamed(looks_for(every, fields), renames_in(every, fields))
        new = [look._replace(written=[row for row in look.written if row.id not in done]) for look in looks]
        self._take(new, findings, renames_in(rows, fields))

    def judge_written(self, rows: Sequence[SampleRow], findings: Findings) -> None:
        """Judge what was written before renames, which then move it: the table has it by another name, or no more."""
        looks = [look for look in looks_for(rows, {}) if look.written and look.key[0] in self._installed.watches]
        renames = self._renames.with_waiting(renames_in(rows, self._fields_before(rows)))
        known, unknown, kept = self._lock([look.key for look in looks], renames)
        held = [look for look in looks if look.key in known | unknown and look.key not in kept]
        entities = self._states.read([look.key for look in held])
        for look in held:
            entity = entities[look.key]
            if look.key in unknown:
                entity = EntityMemory(look.key, entity.watch, None)
            judge_written(look, entity, findings)
            if entity.state is not None:
                unknown.discard(look.key)
        self._statements.fetch("forget_unknown", by_column(KEY, list(unknown)))

    def _fields_before(self, rows: Sequence[SampleRow]) -> dict[int, str]:
        ids = [row.id for row in rows if row.what != "sample" and row.watch in self._installed.metadata]
        found = self._statements.fetch("fields_before", {"ids": f"{{{','.join(map(str, ids))}}}"}) if ids else []
        return dict(found)

    def find_put_off(self) -> bool:
        """Whether there are looks to be taken again, now or later."""
        self.are_put_off = self._statements.fetch("are_put_off", {}) == [(True,)]
        return self.are_put_off

    def take_again(self, findings: Findings) -> bool:
        """Take looks that were put off; whether any was taken."""
        self._statements.fetch("ask_for_writers", {"limit": _MOST_ASKED_FOR})
        without = f"{{{','.join(map(str, self._unreadable.watches))}}}"
        due = self._statements.fetch("due_looks", {"limit": MOST_AT_ONCE, "without": without})
        if not due:
            return False
        self._statements.fetch("taken", by_column(KEY, [row[:3] for row in due]))
        self._take([Look(row[:3], gone=Gone(*row[3:])) for row in due], findings)
        return True

    def _take(self, looks: Sequence[Look], findings: Findings, new: Sequence[Rename] = ()) -> None:
        renames = self._renames.with_waiting(new)
        known, unknown, kept = self._lock([look.key for look in looks], renames)
        looks = looks_at_renamed(looks, renames[: len(renames) - len(new)])
        held = [look for look in looks if look.key in known | unknown and look.key not in kept]
        put_off = [look for look in looks if look.key not in known | unknown or look.key in kept]
        self._put_off(put_off, waits=False, pause=_WHILE_LOCKED_SECONDS)
        for watch in {look.key[0] for look in held}:
            of_watch = [look for look in held if look.key[0] == watch]
            if watch in self._installed.metadata:
                self._take_at_fields(self._installed.metadata[watch], of_watch, unknown, findings)
            elif watch in self._installed.watches:
                self._take_at_values(self._installed.watches[watch], of_watch, unknown, findings)

    def _lock(
        self, looked_at: Sequence[EntityKey], renames: Sequence[Rename]
    ) -> tuple[set[EntityKey], set[EntityKey], set[EntityKey]]:
        """Lock the baselines and make the renames: who has one then, who had none, and whose renames have to wait."""
        keys = dict.fromkeys([*looked_at, *(key for one in renames for key in (one.former_key, one.key))])
        self._statements.fetch("set_patience", {"lock_timeout": _PATIENCE})
        known = self._lock_known(list(keys))
        unknown = self._lock_unknown([key for key in keys if key not in known])
        if not renames:
            return known, unknown, set()
        before = set(known)
        kept = self._renames.make(renames, known, unknown)
        # Nobody is to write of those that are without a baseline now, either.
        unknown |= self._lock_unknown([key for key in before - known if not is_aside(key)])
        not_looked_at = [key for key in unknown if is_aside(key) or key in kept]
        self._statements.fetch("forget_unknown", by_column(KEY, not_looked_at))
        return known, unknown, kept

    def _lock_known(self, keys: Sequence[EntityKey]) -> set[EntityKey]:
        return set(self._statements.fetch("lock_known", by_column(KEY, keys)))

    def _lock_unknown(self, keys: Sequence[EntityKey]) -> set[EntityKey]:
        """Where one of them is being inserted by a trigger whose transaction is open, the others are had one by one."""
        if not keys:
            return set()
        try:
            with self._connection.transaction():
                return set(self._statements.fetch("lock_unknown", by_column(KEY, keys)))
        except errors.LockNotAvailable:
            if len(keys) == 1:
                return set()
        half = len(keys) // 2
        self._statements.fetch("set_patience", {"lock_timeout": _NO_PATIENCE})
        return self._lock_unknown(keys[:half]) | self._lock_unknown(keys[half:])

    def _take_at_values(
        self, watch: InstalledWatch, looks: Sequence[Look], unknown: Collection[EntityKey], findings: Findings
    ) -> None:
        asked = by_column(("chain", "entity"), [look.key[1:] for look in looks])
        rows = self._ask(watch, "held_now", asked, looks, unknown, findings)
        if rows is None:
            return
        clock = rows[0][0]
        here = {row[1:3]: row[3:] for row in rows}
        entities = self._states.read([look.key for look in looks])
        looks = self._without_former(looks, unknown, here)
        moved: list[Look] = []
        for look in looks:
            is_new = look.key in unknown
            entity = EntityMemory(look.key, watch, None) if is_new else entities[look.key]
            if judge_look(look, entity, here.get(look.key[1:]), clock, findings):
                moved.append(look)
            elif is_new:  # it goes again
                entity.move_to(None)
                findings.has_changed(entity)
        self._put_off([Look(look.key) for look in moved], waits=True)

    def _without_former(
        self, looks: Sequence[Look], unknown: Collection[EntityKey], here: Collection[Key]
    ) -> Sequence[Look]:
        """What was written of those whom their triggers have renamed since is the word of others."""
        asked = [look for look in looks if look.written and look.key in unknown and look.key[1:] not in here]
        if not asked:
            return looks
        rows = [(*look.key, look.written[0].sampled_at) for look in asked]
        renamed = set(self._statements.fetch("renamed_since", by_column((*KEY, "since"), rows)))
        return [look._replace(written=()) if look.key in renamed else look for look in looks]

    def _take_at_fields(
        self, watch: InstalledMetadata, looks: Sequence[Look], unknown: Collection[EntityKey], findings: Findings
    ) -> None:
        columns = ("chain", "entity", "fields", "gone_at", "gone_confidence", "gone_provenance")
        asked: dict[str, object] = dict(
            by_column(
                columns,
                [
                    (*look.key[1:], look.gone.fields, *(look.gone.at, look.gone.confidence, look.gone.provenance))
                    for look in looks
                ],
            )
        )
        asked |= {"watch": watch.id, "confidence": watch.confidence, "provenance": watch.provenance}
        reported = self._ask(watch, "report_fields", asked, looks, unknown, findings)
        findings.has_reported_fields |= bool(reported)

    def _ask(
        self,
        watch: InstalledWatch | InstalledMetadata,
        query: str,
        values: Mapping[str, object],
        looks: Sequence[Look],
        unknown: Collection[EntityKey],
        findings: Findings,
    ) -> list[tuple[Any, ...]] | None:
        """Ask the table; where it cannot be read now, put the looks off."""
        now, fields = (
            sql.Identifier("rtp", f"{what}_{watch.name}").as_string(self._connection).encode()
            for what in ("now", "fields")
        )
        try:
            with self._connection.transaction():
                statement = _QUERIES[query].replace(b"{now}", now).replace(b"{fields}", fields)
                rows = self._connection.execute(statement, values).fetchall()
        except (errors.LockNotAvailable, errors.QueryCanceled):
            pause = _WHILE_LOCKED_SECONDS
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            pause = AGAIN_SECONDS
            if self._unreadable.note(watch.id):
                findings.errors.append(JudgingError(watch.name, error.sqlstate or "XX000", one_line(error)))
        else:
            self._unreadable.is_over(watch.id)
            return rows
        new = [look.key for look in looks if look.key in unknown]
        if new:
            self._statements.fetch("forget_unknown", by_column(KEY, new))
        self._put_off(looks, waits=False, pause=pause)
        return None

    def _put_off(self, looks: Iterable[Look], *, waits: bool, pause: float = 0.0) -> None:
        rows = [(*look.key, waits, pause, *look.gone[:5]) for look in looks]
        if rows:
            self.are_put_off = True
            self._statements.fetch("put_off", by_column(_PUT_OFF, rows))
