"""The judge of the sample log is held to the detector's pure function: the same events, notes and memory come of both.

Samples come late, twice, corrected, shuffled and many at once, by transactions that may be rolled back. The judge reads
now and then, and is killed now and then. Each seed is another watch with other rules, and another history.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Self

import pytest

from core.detection.detector import Key
from core.detection.due import due_at
from core.detection.memory import memory_of as rule_memory_of
from core.detection.report import amount_text
from core.detection.state import NO_LAG, EntityState, Sample
from tests.effort import seeds
from tests.judging import judge_ticks, judge_until_level, judging, server_of
from tests.price_table import PriceTable, create_price_table
from tests.random_prices import CHAINS, SOURCES, TOKENS, random_agreement, random_price, random_watch
from tests.said import TRUST_AND_FEED, said_with
from tests.twin import LogTwin, expect_the_same
from tests.watching import install, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from decimal import Decimal

    import psycopg

    from core.detection.testimony import Testimony
    from core.settings.models import Settings

# Its thousands of samples reach nothing that no other test does; followed by coverage they cost half as much again.
pytestmark = pytest.mark.no_cover

SEEDS = seeds(few=2, many=400)
NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
NOBODY = ("", "")
NIGHT = datetime(2024, 3, 30, 23, tzinfo=UTC)
LEVELS = ("READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
MORE_THAN_A_READ = 1200
Row = tuple[str, str, "Decimal | None", datetime]


class MortalJudge:
    """Judges the sample log, and has the twin judge the same; it can be killed."""

    def __init__(self, connection: psycopg.Connection, twin: LogTwin) -> None:
        self._server = server_of(connection)
        self._twin = twin
        self._life = ExitStack()

    def __enter__(self) -> Self:
        self._take_up()
        return self

    def __exit__(self, *_: object) -> None:
        self._life.close()

    def judge(self) -> None:
        """Judge all that waits; what nobody waits for may stay in memory."""
        judge_until_level(self._log, self._session)
        self._twin.judge_waiting()
        if not self._session.has_unwritten:
            self._twin.write()

    def be_killed(self) -> None:
        """Lose what is in memory, and begin anew."""
        self._life.close()
        self._twin.be_killed()
        self._take_up()

    def stop(self) -> None:
        """Judge all that waits, and write it down."""
        self.judge()
        self._session.flush()

    def _take_up(self) -> None:
        self._log, self._session = self._life.enter_context(judging(self._server))


def random_samples(random: Random, count: int, recent: dict[Key, Decimal | None], clock: list[datetime]) -> list[Row]:
    """Samples on a grid of 30 seconds, so that pauses end exactly; some late, some twice, some corrected."""
    rows: list[Row] = []
    for _ in range(count):
        if rows and random.random() < 0.1:
            rows.append(random.choice(rows))
            continue
        clock[0] += timedelta(seconds=random.choice((0, 0, 30, 30, 30, 60, 300)))
        at = clock[0] - timedelta(seconds=30 * random.randint(1, 9)) if random.random() < 0.1 else clock[0]
        key = (random.choice(CHAINS), random.choice(TOKENS))
        recent[key] = random_price(random, recent.get(key))
        rows.append((*key, recent[key], at))
    return rows


def append(connection: psycopg.Connection, rows: list[Row]) -> None:
    connection.execute(
        "INSERT INTO samples (chain, token, price, at)"
        " SELECT * FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::timestamptz[])",
        [list(column) for column in zip(*rows, strict=True)],
    )


def copy(connection: psycopg.Connection, rows: list[Row]) -> None:
    with connection.cursor().copy("COPY samples (chain, token, price, at) FROM STDIN") as stream:
        for row in rows:
            stream.write_row(row)


def correct(connection: psycopg.Connection, random: Random, rows: list[Row]) -> list[Row]:
    """Give one of the rows another price."""
    chain, token, price, at = random.choice(rows)
    corrected = random_price(random, price)
    return connection.execute(
        "UPDATE samples SET price = %s WHERE (chain, token, at) = (%s, %s, %s) RETURNING chain, token, price, at",
        [corrected, chain, token, at],
    ).fetchall()


@pytest.fixture
def history(writer: psycopg.Connection) -> psycopg.Connection:
    columns = f"id serial, chain text, token text, price numeric, at timestamptz, {TRUST_AND_FEED}"
    writer.execute(f"CREATE TABLE public.samples ({columns})".encode())
    # A day is 24 hours, whatever happens to the writer's clock on the night of 2024-03-31.
    writer.execute("SET TimeZone TO 'Europe/Berlin'")
    return writer


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_means_the_same_to_both(history: psycopg.Connection, installed: Settings, seed: int) -> None:
    random = Random(seed)
    settings = random_watch(random, shape="history", with_clock=True)
    twin = twin_of(history, settings)
    recent, clock = dict[Key, "Decimal | None"](), [random.choice((NOON, NIGHT))]
    with MortalJudge(history, twin) as judge:
        for _ in range(60):
            rows = random_samples(random, random.choice((1, 1, 1, 3, 20)), recent, clock)
            with transaction(history, random), history.transaction(force_rollback=random.random() < 0.1) as savepoint:
                random.choice((append, copy))(history, rows)
                corrected = correct(history, random, rows) if random.random() < 0.3 else []
            if not savepoint.force_rollback:
                see(history, twin, rows + corrected)
            now_and_then(random, judge)
        rows = random_samples(random, MORE_THAN_A_READ, recent, clock)
        append(history, rows)
        see(history, twin, rows)
        judge.stop()
    expect_the_same(history, installed, twin, has_durations=True)
    expect_the_same_memory(history, twin)
    expect_the_same_of_time(history, installed, twin)


def see(connection: psycopg.Connection, twin: LogTwin, rows: list[Row], source: str = "") -> None:
    """Have the twin see the rows that were written last, when the log says that they came."""
    arrivals = connection.execute(
        "SELECT appended_at FROM (SELECT * FROM rtp.sample ORDER BY id DESC LIMIT %s) AS last ORDER BY id", [len(rows)]
    ).fetchall()
    for (chain, token, price, at), (seen_at,) in zip(rows, arrivals, strict=True):
        # Python's hours between two times of one zone are those on its clocks.
        time = at.astimezone(UTC)
        sample = Sample(price, time, said_with(price, time), seen_at.astimezone(UTC), source)
        twin.waiting.append(((chain, token), sample))


@pytest.mark.parametrize("seed", seeds(few=2, many=200))
def test_a_history_of_several_sources_means_the_same_to_both(
    writer: psycopg.Connection, installed: Settings, seed: int
) -> None:
    random = Random(seed)
    columns = f"chain text, token text, price numeric, at timestamptz, venue text, {TRUST_AND_FEED}"
    writer.execute(f"CREATE TABLE public.samples ({columns})".encode())
    watch = random_watch(random, shape="history", with_clock=True) | {"agree": random_agreement(random)}
    watch["columns"] = watch["columns"] | {"source": "venue"}
    twin = twin_of(writer, watch)
    recent, clock = dict[Key, "Decimal | None"](), NOON
    with MortalJudge(writer, twin) as judge:
        for _ in range(200):
            clock += timedelta(seconds=random.choice((0, 5, 15, 30, 90)))
            at = clock - timedelta(seconds=random.choice((0, 0, 0, 0, 45)))
            key, source = (CHAINS[0], random.choice(TOKENS[:2])), random.choice(SOURCES)
            recent[key] = random_price(random, recent.get(key))
            writer.execute("INSERT INTO samples VALUES (%s, %s, %s, %s, %s)", [*key, recent[key], at, source])
            see(writer, twin, [(*key, recent[key], at)], source)
            now_and_then(random, judge)
        judge.stop()
    expect_the_same(writer, installed, twin, has_durations=True)
    expect_the_same_memory(writer, twin)
    expect_the_same_of_time(writer, installed, twin)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_updated_in_place_means_the_same_to_both(
    writer: psycopg.Connection, installed: Settings, seed: int
) -> None:
    random = Random(seed)
    create_price_table(writer)
    settings = random_watch(random, shape="latest", with_clock=False) | {"heartbeat": "1d"}
    twin = twin_of(writer, settings)
    table = PriceTable(
        writer,
        random,
        see=lambda key, price: twin.waiting.append((key, Sample(price, NOON, said_with(price)))),
        forget=lambda key: twin.waiting.append((key, None)),
        rename=lambda names: twin.waiting.append((NOBODY, names)),
    )
    with MortalJudge(writer, twin) as judge:
        for _ in range(120):
            with transaction(writer, random):
                table.step()
            now_and_then(random, judge)
        judge.stop()
    # By the samples' times, which are the server's here, nothing is ever a heartbeat or long off its peg.
    expect_the_same(writer, installed, twin, has_durations=False)


@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_judges_goes_on_where_another_has_left_off(
    writer: psycopg.Connection, installed: Settings, seed: int
) -> None:
    """The rules change while samples wait; some are the trigger's to judge, others need the judge."""
    random = Random(seed)
    create_price_table(writer)
    twin = twin_of(writer, random_watch(random, shape="latest", with_clock=False))

    def see(key: Key, price: Decimal | None) -> None:
        twin.waiting.append((key, Sample(price, NOON, said_with(price))))
        is_judged_at_once()

    def forget(key: Key) -> None:
        twin.waiting.append((key, None))
        is_judged_at_once()

    def rename(names: Mapping[Key, Key]) -> None:
        twin.waiting.append((NOBODY, names))
        is_judged_at_once()

    def is_judged_at_once() -> None:
        if not twin.watch.is_sampled:
            twin.judge_waiting()
            twin.write()

    table = PriceTable(writer, random, see=see, forget=forget, rename=rename)
    with MortalJudge(writer, twin) as judge:
        for _ in range(120):
            if random.random() < 0.1:
                rules = random_watch(random, shape="latest", with_clock=False, plain=random.random() < 0.5)
                if any(sample is None for _, sample in twin.waiting):
                    judge.judge()  # later it would look at the table, where nothing tells that a row had been gone
                watch = watch_of(writer, rules)
                judge.be_killed()
                twin.change_rules(watch)
                judge.judge()
            table.step()
            if twin.watch.is_sampled:
                now_and_then(random, judge)
            else:
                judge.judge()  # at what is gone it must look before it is there again
        judge.stop()
    expect_the_same(writer, installed, twin, has_durations=False)


def twin_of(connection: psycopg.Connection, settings: dict[str, Any]) -> LogTwin:
    return LogTwin(watch_of(connection, settings))


def watch_of(connection: psycopg.Connection, settings: dict[str, Any]) -> Any:
    """Have the table watched so."""
    install(connection, samples=settings)
    return settings_of(samples=settings).watches["samples"]


@contextmanager
def transaction(connection: psycopg.Connection, random: Random) -> Iterator[None]:
    with connection.transaction():
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {random.choice(LEVELS)}".encode())
        yield


def now_and_then(random: Random, judge: MortalJudge) -> None:
    if random.random() < 0.3:
        judge.judge()
    if random.random() < 0.1:
        judge.be_killed()


def expect_the_same_memory(connection: psycopg.Connection, twin: LogTwin) -> None:
    remembered = {
        (chain, token): (*row, rule_memory_of(memory))
        for chain, token, *row, memory in connection.execute(
            "SELECT chain, entity, value::text, reported_at, sampled_at, last_value::text, suspect_value::text,"
            " suspect_since, suspect_count, off_peg_since, is_held, due_at,"
            " last_changed_at, last_confidence, last_provenance,"
            " suspect_changed_at, suspect_confidence, suspect_provenance, lag, memory::text FROM rtp.baseline"
            " WHERE watch = (SELECT id FROM rtp.watch WHERE name = 'samples')"
        )
    }
    assert remembered == {
        key: memory_of(state, due_at(state, twin.detector.rule(key))) for key, state in twin.detector.states.items()
    }


def memory_of(state: EntityState, due: datetime | None) -> tuple[Any, ...]:
    return (
        *(amount_text(state.value), state.reported_at, state.sample_at, amount_text(state.last_value)),
        *(amount_text(state.suspect_value), state.suspect_since, state.suspect_count),
        *(state.off_peg_since, state.held, due),
        *(*_as_appended(state.testimony), *_as_appended(state.suspect_testimony), state.lag),
        state.memory,
    )


def _as_appended(testimony: Testimony) -> Testimony:
    """Where a row is not sure of itself, the trigger has appended what the watch says."""
    return testimony if testimony.changed_at is None or testimony.confidence else testimony._replace(confidence=1.0)


def expect_the_same_of_time(connection: psycopg.Connection, settings: Settings, twin: LogTwin) -> None:
    """What was due in the samples' year is due now, all at once, had they come in time."""
    connection.execute("UPDATE rtp.baseline SET lag = NULL, due_at = due_at - lag")
    for key, state in twin.detector.states.items():
        twin.detector.states[key] = replace(state, lag=NO_LAG)
    judge_ticks(connection)
    twin.tick(datetime.now(UTC))
    expect_the_same(connection, settings, twin, has_durations=False)
