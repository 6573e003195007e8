"""What becomes of each event that was read, as the sink has answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.leading.epoch import UNFENCED, Epoch
from core.log.cursor import Cursor
from core.log.dead_event import dead_row
from core.log.reader import Chunk
from core.processor.in_flight import InFlight
from core.processor.metrics import SinkMetrics
from core.processor.news import SinkNews
from core.processor.prefetch import Prefetched
from core.processor.retry_queue import RetryQueue
from core.processor.settlement import BatchSettlement
from core.sinks import Outcome, Rejection, Sink
from core.sinks.handover import SinkAnswer
from rtp_client.backoff import Backoff
from tests.samples import ROW, make_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtp_client.event import Event

MAX_ATTEMPTS = 3
END = Cursor(after_id=9)
LIDO, AAVE, LIDO_AGAIN = make_event(1, "lido"), make_event(2, "aave"), make_event(3, "lido")
ALL = [LIDO, AAVE, LIDO_AGAIN]


class NamedSink(Sink):
    """What the news names."""

    name = "stub"
    service = "Stub"
    address = "nowhere"
    batch_size = 10
    poll_interval_seconds = 0.0
    epoch: Epoch = UNFENCED

    def open(self) -> None: ...

    def deliver(self, events: Sequence[Event]) -> Outcome:
        raise NotImplementedError

    def close(self) -> None: ...


class Account:
    """One sink's settlement with all that it writes to; three events have been read."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.metrics = SinkMetrics()
        self.retries = RetryQueue(Backoff(0, 0))
        self.in_flight = InFlight()
        self.in_flight.add(END, {int(event.sequence): 0.0 for event in ALL}, read_at=0.0)
        news = SinkNews(NamedSink(), lambda problem: self.told.append(str(problem)))
        self.settlement = BatchSettlement(self.in_flight, self.retries, self.metrics, news, max_attempts=MAX_ATTEMPTS)

    def settle(self, events: Sequence[Event], outcome: Outcome) -> None:
        self.settlement.settle_sent(SinkAnswer(events, outcome))

    def dead(self) -> list[tuple[int, int, str]]:
        """The dead events once all is settled: which, after how many refusals, and why."""
        cursor, dead = self.in_flight.take_settled()
        assert cursor == END
        return [(event.event_id, event.attempts, event.error) for event in dead]


@pytest.fixture
def account() -> Account:
    return Account()


def test_what_the_sink_took_is_delivered_and_the_cursor_may_pass_it(account: Account) -> None:
    account.settle(ALL, Outcome())
    assert (account.metrics.delivered, account.dead(), len(account.retries)) == (3, [], 0)


def test_what_the_sink_did_not_take_is_parked_and_the_cursor_stays_before_it(account: Account) -> None:
    account.settle(ALL, Outcome(undelivered=[LIDO, LIDO_AGAIN], cause="throttled"))
    assert (account.metrics.delivered, account.metrics.parked, account.in_flight.take_settled()) == (1, 2, (None, []))


def test_a_group_that_is_parked_is_told_once(account: Account) -> None:
    account.settle(ALL, Outcome(undelivered=[LIDO, LIDO_AGAIN], cause="throttled"))
    account.settle(account.retries.take_due(1e12, 10), Outcome(undelivered=[LIDO, LIDO_AGAIN], cause="throttled"))
    assert account.told == ["Stub did not take all events: throttled. Trying these again"]


def test_what_can_never_be_taken_is_dead_at_once_and_its_group_goes_on(account: Account) -> None:
    account.settle(ALL, Outcome(rejected=[Rejection(LIDO, "too large")]))
    assert (account.metrics.delivered, account.metrics.dead_letters, account.dead()) == (2, 1, [(1, 1, "too large")])


def test_what_may_still_be_taken_is_dead_after_the_last_attempt(account: Account) -> None:
    refusal = Outcome(undelivered=[LIDO], rejected=[Rejection(LIDO, "odd", is_final=False)], cause="odd")
    account.settle([AAVE, LIDO_AGAIN], Outcome())
    account.settle([LIDO], refusal)
    for _ in range(MAX_ATTEMPTS - 1):
        assert account.metrics.dead_letters == 0
        account.settle(account.retries.take_due(1e12, 10), refusal)
    assert (account.dead(), len(account.retries)) == ([(1, MAX_ATTEMPTS, "odd")], 0)


def test_refusals_count_for_the_event_and_not_for_the_next_of_its_group(account: Account) -> None:
    def refusal(event: Event, *, waiting: Sequence[Event]) -> Outcome:
        return Outcome(undelivered=waiting, rejected=[Rejection(event, "odd", is_final=False)], cause="odd")

    account.settle([AAVE, LIDO, LIDO_AGAIN], refusal(LIDO, waiting=[LIDO, LIDO_AGAIN]))
    for _ in range(MAX_ATTEMPTS - 1):
        account.settle(account.retries.take_due(1e12, 10), refusal(LIDO, waiting=[LIDO, LIDO_AGAIN]))
    account.settle(account.retries.take_due(1e12, 10), refusal(LIDO_AGAIN, waiting=[LIDO_AGAIN]))
    assert (account.metrics.dead_letters, len(account.retries)) == (1, 1)


def test_dead_events_are_told_with_the_reason(account: Account) -> None:
    account.settle(ALL, Outcome(rejected=[Rejection(LIDO, "too large"), Rejection(AAVE, "too large")]))
    assert account.told == ["stub: 2 events became dead letters: too large"]


def test_what_is_not_for_the_sink_is_skipped_and_what_is_no_event_is_dead(account: Account) -> None:
    invalid = {"log-700-2": dead_row(ROW._replace(id=2), "confidence: must be at most 1")}
    account.settlement.settle_unsent(Prefetched(Chunk([], END), False, 0.0, 0.0, {}, [], [LIDO_AGAIN], [1], invalid))
    account.settle([LIDO_AGAIN], Outcome())
    assert (account.metrics.skipped, account.dead()) == (1, [(2, 0, "confidence: must be at most 1")])
