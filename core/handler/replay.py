"""Doing again what a stream source could not do: batches that Lambda gave up, and rtp's own letters.

The same code judges the same records, so what was judged meanwhile is passed over, and nothing is told twice. What a
newer record has overtaken is not told afterwards: it would be out of order.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from core.errors import EventRejected, RtpError
from core.handler.build import build_processor
from core.handler.images import watched_tables
from core.handler.progress import read_progress
from core.handler.span import Trimmed, read_span
from core.handler.table_look import SETTLE_SECONDS, look_at_table
from core.letters.failure import document_of
from core.letters.replayed import Replayed
from core.routes.matching import Routes
from core.services.sqs_client import sqs_client
from core.sinks.sqs.queues import sqs_destinations
from core.sinks.sqs.sink import SqsSink
from rtp_client.event import decode_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.handler.batch import BatchProcessor
    from core.handler.outcome import BatchOutcome
    from core.handler.services import StreamServices
    from core.letters.boxes import Box
    from core.letters.failure import Failure

_REPLAY = "replay"
_LATELY = timedelta(minutes=1)


class Replayer:
    """Does letters again. Raises SettingsError where the settings do not suffice to judge records."""

    def __init__(self, services: StreamServices, *, wait: Callable[[float], object] = time.sleep) -> None:
        self._services = services
        self._processor: BatchProcessor = build_processor(services.settings)
        self._tables = watched_tables(services.settings)
        self._routes = Routes(services.settings)
        self._wait = wait

    def replay(self, box: Box, failures: list[tuple[Failure, str]]) -> Iterator[Replayed]:
        """Do the letters of a box that is held, and remove each that is done.

        The earliest records come first: a record of an item is no longer told of once a later one was judged.
        """
        for failure, body in sorted(failures, key=_place):
            done = Replayed(failure)
            try:
                self._do(box, failure, body, done)
                if done.came == "replayed" and failure.what != "alert":
                    box.delete(failure)
            except RtpError as error:
                done.came, done.why = "waiting", str(error)
            yield done

    def _do(self, box: Box, failure: Failure, body: str, done: Replayed) -> None:
        if failure.what == "alert":
            box.send_back(failure)
        elif failure.what == "event":
            self._send(document_of(body), done)
        elif failure.what == "unknown" or failure.table not in self._tables:
            done.came = "refused"
            done.why = failure.error if failure.what == "unknown" else _why_unwatched(failure)
        elif failure.what == "record":
            self._process_record(document_of(body), done)
        else:
            self._process_batch(failure, done)

    def _process_batch(self, failure: Failure, done: Replayed) -> None:
        try:
            for records in read_span(self._services.streams, failure):
                done.read_from = "stream"
                if not self._process(records, done):
                    return
        except Trimmed:
            self._look(failure, done)

    def _process_record(self, letter: dict[str, Any], done: Replayed) -> None:
        record, failure = letter["record"], done.failure
        if letter.get("is_shortened"):
            self._look(failure, done)
            return
        for watched in self._tables[failure.table or ""]:
            try:
                watched.changes(record, 0, Counter())
            except EventRejected as error:
                done.came, done.why = "refused", f"watch {watched.name}: {error}"
                return
        done.read_from = "letter"
        self._process([record], done)

    def _process(self, records: list[dict[str, Any]], done: Replayed) -> bool:
        """Process records, as the Lambda would. Returns whether all are done."""
        outcome: BatchOutcome = self._processor.process(records, shard=_REPLAY)
        done.records += len(records)
        done.events += len(outcome.events)
        done.passed_over += outcome.notes["repeated"] + outcome.notes["late"]
        done.dead_letters += len(outcome.dead_letters)
        if outcome.failed is not None:
            done.came, done.why = "waiting", "; ".join(outcome.causes) or "records failed"
        return outcome.failed is None

    def _look(self, failure: Failure, done: Replayed) -> None:
        """Judge what the table holds, as the stream has the records no more."""
        table, until = failure.table or "", failure.last_arrival or failure.newest_at or datetime.now(UTC)
        if (behind := self._seconds_behind(table)) > SETTLE_SECONDS:
            done.came = "waiting"
            done.why = f"the stream has the records no more, and who reads it is {behind:.0f} s behind. Try again later"
            return
        look = look_at_table(self._services, self._processor, table, until, wait=self._wait)
        done.read_from, done.records, done.events = "table", look.judged, look.events
        done.unknown = ["the stream has the records no more, as it keeps them for 24 hours", *look.unknown]
        if look.causes:
            done.came, done.why = "waiting", "; ".join(look.causes)

    def _seconds_behind(self, table: str) -> float:
        """How far behind those are who read the table's stream, as far as they did anything lately."""
        since = datetime.now(UTC) - _LATELY
        found = read_progress(self._services.store, table, address=self._services.address)
        lately = (one for one in found if one.handled_at is not None and one.handled_at >= since)
        return max((one.lag_seconds or 0.0 for one in lately if one.shard != _REPLAY), default=0.0)

    def _send(self, letter: dict[str, Any], done: Replayed) -> None:
        """Hand an event that SQS has refused to each queue where it belongs. A queue that has it gets it again."""
        settings = self._services.settings
        try:
            event = decode_event(letter["event"])
        except ValueError as error:
            done.came, done.why = "refused", f"the event is not valid: {error}"
            return
        done.read_from = "letter"
        for destination in sqs_destinations(settings):
            if not self._routes.goes_to(destination.queue, event.data):
                continue
            sink = SqsSink(settings.sqs, sqs_client(settings.sqs), queue=destination.queue, name=destination.sink)
            outcome = sink.deliver([event])
            if outcome.rejected:
                done.came, done.why = "refused", outcome.rejected[0].error
            elif outcome.undelivered:
                done.came, done.why = "waiting", outcome.cause


def _why_unwatched(failure: Failure) -> str:
    if failure.table is None:
        return "it does not say which table its record is of"
    return f"table {failure.table} feeds no watch"


def _place(one: tuple[Failure, str]) -> tuple[int, int]:
    """Batches and records by their numbers: those of an item rise. What has none comes behind."""
    number = one[0].first_number
    return (number is None, int(number or 0))
