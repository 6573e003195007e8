"""One taking up of the sample log: how far it is judged, and all that is in memory meanwhile. It ends as a whole.

Samples of which no rule has anything to say only change what is in memory. That is written down now and then, together
with how far the log is judged; after a crash those samples are read and judged again, and come to the same: nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.judging.appointments import Appointments
from core.judging.judgement import Findings, judge_appointments, judge_samples, make_new_appointments
from core.judging.ledger import Ledger
from core.judging.states import States

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from core.judging.entity import EntityKey, EntityMemory
    from core.judging.portion import Portion
    from core.judging.sample_log import SampleLog

FLUSH_SECONDS = 0.25
_MOST_DIRTY = 5000


class JudgeSession:
    """Judges an open sample log, in one thread. After an error, the log is opened again, for a new session."""

    def __init__(self, log: SampleLog) -> None:
        installed = log.installed
        self._log = log
        self._watches = installed.watches
        self._ledger = Ledger(log, installed.revision)
        self._states = States(log.connection, installed.watches)
        self._appointments = Appointments(log.connection, installed.sampled)
        self._findings = Findings()
        self._flush_at: float | None = None
        self.has_reported = False
        """Whether the last samples made events, or something else that somebody may wait for."""
        self.has_more_appointments = True
        """Whether the last look at the appointments left some that have come, or may have."""

    def judge_next(self) -> int:
        """Judge the next samples of the log, and write down at once what somebody may be waiting for; how many."""
        portion = self._log.read()
        if portion is None:
            if self._log.is_news_who_is_behind:
                self._begin_to_flush()
            return 0
        keys = {(row.watch, row.chain, row.entity) for row in portion.rows if row.watch in self._watches}
        left = [key for key in keys if not self._watches[key[0]].is_sampled]
        if left:
            self._judge_with_triggers(portion, keys, left)
        else:
            judge_samples(portion.rows, self._states.load(keys), self._findings)
            self._log.passed(portion)
            self._begin_to_flush()
            self.has_reported = self._findings.is_urgent
            if self.has_reported or len(self._findings.dirty) > _MOST_DIRTY:
                self.flush()
        return len(portion.rows)

    def _judge_with_triggers(self, portion: Portion, keys: AbstractSet[EntityKey], left: Sequence[EntityKey]) -> None:
        """Judge samples that waited when their watch's trigger began to judge by itself.

        What the trigger has judged since is newer. The others' baselines are kept from it until all is written down.
        """
        self.flush()
        with self._ledger.transaction(must_last=True):
            unjudged = self._states.lock(left)
            judged = {**self._states.load(keys - set(left)), **self._states.read(unjudged)}
            judge_samples(portion.rows, judged, self._findings)
            self._log.passed(portion)
            self._ledger.write(self._findings)
        self._written()

    def flush_when_due(self) -> None:
        """Write down what has waited long enough."""
        if self._flush_at is not None and time.monotonic() >= self._flush_at:
            self.flush()

    def flush(self) -> None:
        """Write down what has come of the samples so far, and how far the log is judged."""
        if self._flush_at is not None:
            with self._ledger.transaction(must_last=self._findings.must_last):
                self._ledger.write(self._findings)
            self._written()

    def _written(self) -> None:
        for entity in self._findings.dirty:
            entity.is_dirty = entity.is_moved = False
        self._findings = Findings()
        self._flush_at = None
        self._states.trim()

    @property
    def has_unwritten(self) -> bool:
        """Whether something is in memory alone."""
        return self._flush_at is not None

    def keep_appointments(self) -> int:
        """Judge what time alone has brought about; how many entities that concerned.

        To be called where the log keeps up: a value of before must not be reported when a newer one waits.
        Raises Overtaken where there was an installation.
        """
        self.flush()
        due = self._appointments.due(without=self._log.behind)
        self._ledger.check_revision(due.revision)
        if due.keys:
            self._begin_to_flush()
            judge_appointments(self._loaded(due.keys), due.at, self._findings)
            self.flush()
        of_older_rules = self._appointments.of_older_rules()
        if of_older_rules:
            self._begin_to_flush()
            make_new_appointments(self._loaded(of_older_rules), self._findings)
            self.flush()
        self.has_more_appointments = bool(of_older_rules) or self._appointments.are_left
        return len(due.keys) + len(of_older_rules)

    def _loaded(self, keys: Sequence[EntityKey]) -> list[EntityMemory]:
        entities = self._states.load(keys)
        return [entities[key] for key in keys]

    def _begin_to_flush(self) -> None:
        self._flush_at = self._flush_at or time.monotonic() + FLUSH_SECONDS
