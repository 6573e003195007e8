"""One taking up of the sample log: how far it is judged, and all that is in memory meanwhile. It ends as a whole.

Samples of which no rule has anything to say only change what is in memory. That is written down now and then, together
with how far the log is judged; after a crash those samples are read and judged again, and come to the same: nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.judging.appointments import Appointments
from core.judging.findings import Findings
from core.judging.judgement import judge_appointments, judge_samples, make_new_appointments
from core.judging.ledger import Ledger
from core.judging.look import up_to_renames
from core.judging.looks import Looks
from core.judging.states import States

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from core.judging.entity import EntityMemory
    from core.judging.portion import Portion
    from core.judging.sample import EntityKey, SampleRow
    from core.judging.sample_log import SampleLog

FLUSH_SECONDS = 0.25
_MOST_DIRTY = 5000
_LOOK_AGAIN_SECONDS = 0.1
# Where very many looks wait for one writer, to find that none can be taken takes time: that share of it at most.
_SHARE_IN_VAIN = 0.2


class JudgeSession:
    """Judges an open sample log, in one thread. After an error, the log is opened again, for a new session."""

    def __init__(self, log: SampleLog) -> None:
        installed = log.installed
        self._log = log
        self._sampled = {watch.id for watch in installed.sampled}
        self._judged_by_triggers = (installed.watches.keys() - self._sampled) | installed.metadata.keys()
        self._ledger = Ledger(log, installed.revision)
        self._states = States(log.connection, installed.watches)
        self._appointments = Appointments(log.connection, installed.sampled)
        self._looks = Looks(log.connection, self._states, installed)
        self._findings = Findings()
        self._flush_at: float | None = None
        self._may_have_gone = True
        self._looks_again_at = 0.0
        self.has_reported = False
        """Whether the last samples made events, or something else that somebody may wait for."""
        self.has_more_appointments = True
        """Whether the last look at the appointments left some that have come, or may have."""

    @property
    def samples_any_watch(self) -> bool:
        return bool(self._sampled)

    def judge_next(self) -> int:
        """Judge the next samples of the log, and write down at once what somebody may be waiting for; how many."""
        portion = self._log.read()
        if portion is None:
            if self._log.is_news_who_is_behind:
                self._begin_to_flush()
            self._judge_what_is_over()
            return 0
        left = [row for row in portion.rows if row.watch in self._judged_by_triggers]
        of_sampled = [row for row in portion.rows if row.watch in self._sampled]
        keys = {key for row in of_sampled for key in (row.key, row.former_key) if key is not None}
        if left:
            self._look(portion, keys, left)
        else:
            judge_samples(portion.rows, self._states.load(keys), self._findings)
            self._log.passed(portion)
            self._begin_to_flush()
            self._may_have_gone |= self._findings.has_gone
            self.has_reported = self._findings.is_urgent
            if self.has_reported or len(self._findings.dirty) > _MOST_DIRTY:
                self.flush()
        return len(portion.rows)

    def _look(self, portion: Portion, keys: AbstractSet[EntityKey], left: Sequence[SampleRow]) -> None:
        """Judge a portion with samples that triggers have left: by looks at the tables."""
        self.flush()
        with self._ledger.transaction(must_last=True):
            judge_samples(portion.rows, self._loaded_by_key(keys), self._findings)
            self.has_reported = False
            *earlier, last = up_to_renames(left)
            for rows in earlier:
                self._looks.judge_written(rows, self._findings)
                self._write_looks()
            self._looks.take(last, self._findings, judged=[row for rows in earlier for row in rows])
            self._log.passed(portion)
            self._write_looks()

    def _write_looks(self) -> None:
        self._may_have_gone |= self._findings.has_gone
        self.has_reported |= self._findings.is_urgent
        self._ledger.write(self._findings)
        self._written()

    def _judge_what_is_over(self) -> None:
        """Where the log keeps up: report what was deleted and has not come back; take the looks that were put off."""
        if not self._log.keeps_up:
            return
        if self._may_have_gone:
            due = self._judge_due(only_gone=True)
            self._may_have_gone = self._appointments.are_left_due
            self.has_reported |= bool(due)
        if self._looks.are_put_off and time.monotonic() >= self._looks_again_at:
            self._look_again()

    def _look_again(self) -> None:
        if not self._looks.find_put_off():
            return
        self.flush()
        began_at = time.monotonic()
        with self._ledger.transaction(must_last=True):
            are_taken = self._looks.take_again(self._findings)
            if are_taken:
                self._ledger.write(self._findings)
        ended_at = time.monotonic()
        pause = max(_LOOK_AGAIN_SECONDS, (ended_at - began_at) / _SHARE_IN_VAIN)
        self._looks_again_at = 0.0 if are_taken else ended_at + pause
        self.has_reported |= self._findings.is_urgent
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
    def has_gone(self) -> bool:
        """Whether there may be deletions to be reported, once the log keeps up."""
        return self._may_have_gone

    @property
    def has_unwritten(self) -> bool:
        """Whether something is in memory alone."""
        return self._flush_at is not None

    def keep_appointments(self) -> int:
        """Judge what time alone has brought about; how many entities that concerned.

        To be called where the log keeps up: a value of before must not be reported when a newer one waits.
        Raises Overtaken where there was an installation.
        """
        due = self._judge_due()
        of_older_rules = self._appointments.of_older_rules()
        if of_older_rules:
            self._begin_to_flush()
            make_new_appointments(self._loaded(of_older_rules), self._findings)
            self.flush()
        self.has_more_appointments = bool(of_older_rules) or self._appointments.are_left
        return due + len(of_older_rules)

    def _judge_due(self, *, only_gone: bool = False) -> int:
        if not only_gone:  # that a row is gone is written down at once
            self.flush()
        due = self._appointments.due(without=self._log.behind, only_gone=only_gone)
        self._ledger.check_revision(due.revision)
        if due.keys:
            self._begin_to_flush()
            judge_appointments(self._loaded(due.keys), due.at, self._findings)
            self.flush()
        return len(due.keys)

    def _loaded_by_key(self, keys: AbstractSet[EntityKey]) -> Mapping[EntityKey, EntityMemory]:
        entities = self._states.load(keys)
        return {key: entities[key] for key in keys}

    def _loaded(self, keys: Sequence[EntityKey]) -> list[EntityMemory]:
        entities = self._states.load(keys)
        return [entities[key] for key in keys]

    def _begin_to_flush(self) -> None:
        self._flush_at = self._flush_at or time.monotonic() + FLUSH_SECONDS
