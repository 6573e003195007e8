"""Deciding upon entities' changes by the watches' rules. Pure."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from core.detection.detector import Detector
from core.detection.report import amount_text
from core.handler.open_decision import OpenDecision
from core.kinds import MARKET
from core.log.rows import LogRow
from rtp_client.event import Reason, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from core.handler.change import Change
    from core.handler.decision import Decision, Raised
    from core.handler.memory import Memory
    from core.handler.rename import Former
    from core.settings.watches import Watch

_AT_ONCE = timedelta(0)


class Decider:
    """Applies the watches' rules, and keeps no entity's state, only its rule.

    `reorder` says of the watches whose samples wait for earlier ones how long they do.
    """

    def __init__(self, watches: Mapping[str, Watch], reorder: Mapping[str, timedelta]) -> None:
        self._watches = watches
        self._reorder = reorder
        self._detectors = {name: Detector(watch) for name, watch in watches.items() if watch.has_value}

    def decide(
        self, memory: Memory, changes: Sequence[Change], *, now: datetime, former: Former | None = None
    ) -> Decision:
        """Judge one entity's changes, in order. Changes that were judged before are passed over.

        `former` is what is remembered of it under another name, where it is known or told that it has had one.
        """
        name, key = changes[0].watch, changes[0].key
        detector = self._detectors.get(name)
        decision = OpenDecision(
            memory,
            self._watches[name],
            None if detector is None else detector.rule(key),
            reorder=self._reorder.get(name, _AT_ONCE),
            now=now,
            former=former,
        )
        if former is not None and (changes[0].former is None or changes[0].what == "tick"):
            decision.take_over(changes[0])
        for change in changes:
            decision.take(change)
        return decision.close(name, key)

    def row(self, raised: Raised, *, sequence: int, detected_at: datetime) -> LogRow:
        """The event's row."""
        change, report = raised.change, raised.report
        watch = self._watches[change.watch]
        testimony = change.sample.testimony if report is None else report.testimony
        changed_at, confidence, provenance = testimony.told(change.sample.at, watch)
        return LogRow(
            id=sequence,
            xid="",
            watch=change.watch,
            kind=MARKET.name if report is not None and report.reason is Reason.MARKET_MOVED else watch.kind,
            chain=change.key[0],
            entity=change.key[1],
            previous=None if report is None else amount_text(report.previous),
            current=None if report is None else amount_text(report.current),
            change=None if report is None else report.change,
            change_pct=None if report is None else report.change_pct,
            fields=None if change.fields is None else json.dumps(change.fields),
            reason=str(change.reason if report is None else report.reason),
            severity=str(Severity.INFO if report is None else report.severity),
            confidence=confidence,
            provenance=provenance,
            changed_at=changed_at,
            detected_at=detected_at,
            duration_seconds=None if report is None else report.duration_seconds,
            details=None if report is None else report.details_json,
        )
