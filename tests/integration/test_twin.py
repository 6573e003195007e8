"""The rule book has two implementations; the same history goes through both, and the same events come out.

Each seed is another watch with other rules, and another history. A test that fails names its seed.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from core.detection.detector import Detector, Key
from core.detection.judge import EntityState, Sample, due_at
from core.detection.report import Report, amount_text
from core.log.reader import LogReader
from core.processor.build import postgres_server
from tests.effort import seeds
from tests.random_prices import CHAINS, TOKENS, random_price, random_watch
from tests.watching import install, settings_of

if TYPE_CHECKING:
    from decimal import Decimal

    import psycopg

    from core.settings.models import Settings
    from core.settings.watches import ValueWatch

SEEDS = seeds(few=8, many=400)
NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
LEVELS = ("READ COMMITTED", "READ COMMITTED", "READ COMMITTED", "REPEATABLE READ")
MANY = 120  # more than a trigger judges in one statement
Row = tuple[str, str, "Decimal | None", datetime]
Told = tuple[str | None, ...]


class Twin:
    """The Python side: the detector, what it has told of each entity, and what the triggers leave to rtp run."""

    def __init__(self, watch: ValueWatch, *, has_clock: bool = True) -> None:
        self.detector = Detector(watch)
        self.has_clock = has_clock  # else the samples' times are the server's, and durations say nothing
        self.told: dict[Key, list[Told]] = defaultdict(list)
        self.quarantine: dict[Key, list[Told]] = defaultdict(list)
        self.waiting: dict[Key, list[Sample]] = defaultdict(list)

    def judge(self, key: Key, sample: Sample) -> None:
        before = self.detector.states.get(key)
        judgement = self.detector.judge(key, sample)
        if judgement.report is not None:
            self.told[key].append(as_told(judgement.report))
        if judgement.note in {"quarantined", "confirmed", "dismissed"}:
            assert before is not None
            value = before.suspect_value if judgement.note == "dismissed" else sample.value
            self.quarantine[key].append((judgement.note, amount_text(before.value), amount_text(value)))

    def delete(self, key: Key) -> None:
        report = self.detector.delete(*key)
        if report is not None:
            self.told[key].append(as_told(report))

    def append(self, rows: list[Row], *, can_judge: bool) -> None:
        """A statement that appends to a history: an entity's samples in the order of their times, or for later."""
        for chain, token, price, at in sorted(rows, key=lambda row: row[3]):
            key, sample = (chain, token), Sample(price, at)
            if can_judge and key in self.detector.states and not self.waiting[key]:
                self.judge(key, sample)
            else:
                self.waiting[key].append(sample)

    def judge_waiting(self) -> None:
        for key, samples in self.waiting.items():
            for sample in sorted(samples, key=lambda sample: sample.at):
                self.judge(key, sample)
        self.waiting.clear()


def as_told(report: Report) -> Told:
    duration = None if report.duration_seconds is None else str(report.duration_seconds)
    return (
        *(amount_text(report.previous), amount_text(report.current), report.change, report.change_pct),
        *(str(report.reason), str(report.severity), duration),
    )


def told_by_triggers(settings: Settings) -> dict[Key, list[Told]]:
    """The log as its readers get it, by entity."""
    reader = LogReader(postgres_server(settings), "twin")
    reader.open()
    told: dict[Key, list[Told]] = defaultdict(list)
    while rows := (chunk := reader.read(1000)).rows:
        reader.advance(chunk)
        for row in rows:
            duration = None if row.duration_seconds is None else str(row.duration_seconds)
            told[row.chain, row.entity].append(
                (row.previous, row.current, row.change, row.change_pct, row.reason, row.severity, duration)
            )
    reader.close()
    return told


def quarantine_of_triggers(connection: psycopg.Connection) -> dict[Key, list[Told]]:
    found: dict[Key, list[Told]] = defaultdict(list)
    for chain, entity, *what in connection.execute(
        "SELECT chain, entity, what, baseline::text, value::text FROM rtp.quarantine ORDER BY id"
    ):
        found[chain, entity].append(tuple(what))
    return found


def judge_waiting(connection: psycopg.Connection) -> None:
    while connection.execute("SELECT judged FROM rtp.judge_waiting(10000, 1000)").fetchone() != (0,):
        pass


def expect_the_same(connection: psycopg.Connection, settings: Settings, twin: Twin) -> None:
    assert connection.execute("SELECT watch, operation, message FROM rtp.trigger_error").fetchall() == []
    assert connection.execute("SELECT count(*) FROM rtp.sample").fetchone() == (0,)
    assert quarantine_of_triggers(connection) == {key: found for key, found in twin.quarantine.items() if found}
    told = told_by_triggers(settings)
    length = None if twin.has_clock else -1
    for key in sorted(told.keys() | twin.told.keys()):
        by_triggers, by_twin = ([told[:length] for told in side[key]] for side in (told, twin.told))
        assert by_triggers == by_twin, f"{key}: {twin.detector.rule(key)}"


# A table of history


@pytest.fixture
def history(writer: psycopg.Connection) -> psycopg.Connection:
    writer.execute("CREATE TABLE public.samples (id serial, chain text, token text, price numeric, at timestamptz)")
    return writer


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


INSERT = "INSERT INTO samples (chain, token, price, at) "
APPEND = INSERT + "SELECT * FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::timestamptz[])"


def append(connection: psycopg.Connection, rows: list[Row]) -> None:
    connection.execute(APPEND.encode(), [list(column) for column in zip(*rows, strict=True)])


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


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_means_the_same_to_both(history: psycopg.Connection, installed: Settings, seed: int) -> None:
    random = Random(seed)
    settings = random_watch(random, shape="history", with_clock=True)
    install(history, samples=settings)
    watch: Any = settings_of(samples=settings).watches["samples"]
    twin, recent, clock = Twin(watch), dict[Key, "Decimal | None"](), [NOON]
    # A day is 24 hours, whatever happens to the writer's clock on the night of 2024-03-31.
    history.execute("SET TimeZone TO 'Europe/Berlin'")
    clock[0] = random.choice((NOON, datetime(2024, 3, 30, 23, tzinfo=UTC)))
    for _ in range(60):
        rows = random_samples(random, random.choice((1, 1, 1, 3, 20, MANY)), recent, clock)
        level = random.choice(LEVELS)
        with history.transaction():
            history.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
            with history.transaction(force_rollback=random.random() < 0.1) as savepoint:
                random.choice((append, copy))(history, rows)
                corrected = correct(history, random, rows) if random.random() < 0.3 else []
        if not savepoint.force_rollback:
            for statement in (rows, corrected):
                twin.append(statement, can_judge=level == "READ COMMITTED" and len(statement) <= 100)
        if random.random() < 0.3:
            judge_waiting(history)
            twin.judge_waiting()
    judge_waiting(history)
    twin.judge_waiting()
    expect_the_same(history, installed, twin)
    expect_the_same_memory(history, twin)


def expect_the_same_memory(connection: psycopg.Connection, twin: Twin) -> None:
    remembered = {
        (chain, token): tuple(row)
        for chain, token, *row in connection.execute(
            "SELECT chain, entity, value::text, reported_at, sampled_at, last_value::text, suspect_value::text,"
            " suspect_since, suspect_count, off_peg_since, is_held, due_at FROM rtp.baseline"
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
    )


# A table updated in place


@pytest.fixture
def latest(writer: psycopg.Connection) -> psycopg.Connection:
    writer.execute(
        "CREATE TABLE public.samples (chain text, token text, price numeric, at timestamptz DEFAULT now(),"
        " UNIQUE (chain, token) DEFERRABLE)"
    )
    return writer


class Latest:
    """Statements on a table of latest prices, and what they mean to the twin."""

    def __init__(self, connection: psycopg.Connection, twin: Twin, random: Random) -> None:
        self._connection = connection
        self._twin = twin
        self._random = random
        self._rows: dict[Key, Decimal | None] = {}
        self._recent: dict[Key, Decimal | None] = {}

    def step(self) -> None:
        random = self._random
        steps = (self._insert, self._update, self._update, self._update, self._update, self._move, self._delete)
        random.choice(steps if random.random() < 0.97 else (self._truncate, self._many, self._exchange))()

    def _price(self, key: Key) -> Decimal | None:
        self._recent[key] = random_price(self._random, self._recent.get(key))
        return self._recent[key]

    def _see(self, key: Key, price: Decimal | None) -> None:
        self._rows[key] = price
        self._twin.judge(key, Sample(price, NOON))

    def _keys(self) -> list[Key]:
        random = self._random
        keys = sorted(self._rows)
        return random.sample(keys, min(len(keys), random.choice((1, 1, 1, 3, len(keys)))))

    def _new_keys(self, count: int) -> list[Key]:
        free = [(chain, token) for chain in CHAINS for token in TOKENS if (chain, token) not in self._rows]
        return self._random.sample(free, min(count, len(free)))

    def _insert(self) -> None:
        keys = self._new_keys(self._random.choice((1, 3)))
        self._write(INSERT.replace(", at", "") + "SELECT * FROM new", {key: self._price(key) for key in keys})

    def _update(self) -> None:
        self._write(
            "UPDATE samples AS s SET price = new.price FROM new WHERE (s.chain, s.token) = (new.chain, new.token)",
            {key: self._price(key) for key in self._keys()},
        )

    def _write(self, statement: str, prices: dict[Key, Decimal | None]) -> None:
        self._connection.execute(
            f"WITH new AS (SELECT * FROM unnest(%s::text[], %s::text[], %s::numeric[]) AS n (chain, token, price))"
            f" {statement}".encode(),
            [[chain for chain, _ in prices], [token for _, token in prices], list(prices.values())],
        )
        for key, price in prices.items():
            self._see(key, price)

    def _move(self) -> None:
        """Change some rows' key, and perhaps the price."""
        old_keys = self._keys()
        for old, new in zip(old_keys, self._new_keys(len(old_keys)), strict=False):
            price = self._price(new) if self._random.random() < 0.5 else self._rows[old]
            self._connection.execute(
                "UPDATE samples SET chain = %s, token = %s, price = %s WHERE (chain, token) = (%s, %s)",
                [*new, price, *old],
            )
            del self._rows[old]
            self._twin.delete(old)
            self._see(new, price)

    def _exchange(self) -> None:
        """Exchange the keys of two rows: each entity has the other's price now."""
        if len(self._rows) < 2:
            return
        one, other = self._random.sample(sorted(self._rows), 2)
        self._connection.execute(
            "UPDATE samples AS s SET chain = new.chain, token = new.token"
            " FROM (VALUES (%s, %s, %s, %s), (%s, %s, %s, %s)) AS new (chain, token, old_chain, old_token)"
            " WHERE (s.chain, s.token) = (new.old_chain, new.old_token)",
            [*one, *other, *other, *one],
        )
        prices = self._rows[other], self._rows[one]
        for key, price in zip((one, other), prices, strict=True):
            self._see(key, price)

    def _delete(self) -> None:
        for key in self._keys()[:3]:
            self._connection.execute("DELETE FROM samples WHERE (chain, token) = (%s, %s)", key)
            del self._rows[key]
            self._twin.delete(key)

    def _truncate(self) -> None:
        self._connection.execute("TRUNCATE samples")
        for key in self._rows:
            self._twin.delete(key)
        self._rows.clear()

    def _many(self) -> None:
        """One statement of more rows than a trigger judges at once; twice: first sightings, then steps."""
        keys = [("base", f"token {number}") for number in range(MANY)]
        missing = [key for key in keys if key not in self._rows]
        self._write(INSERT.replace(", at", "") + "SELECT * FROM new", {key: self._price(key) for key in missing})
        self._write(
            "UPDATE samples AS s SET price = new.price FROM new WHERE (s.chain, s.token) = (new.chain, new.token)",
            {key: self._price(key) for key in keys},
        )


@pytest.mark.parametrize("plain", [pytest.param(True, id="plain"), pytest.param(False, id="with a memory")])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_updated_in_place_means_the_same_to_both(
    latest: psycopg.Connection, installed: Settings, seed: int, plain: bool
) -> None:
    random = Random(seed)
    settings = random_watch(random, shape="latest", with_clock=False, plain=plain)
    install(latest, samples=settings)
    watch: Any = settings_of(samples=settings).watches["samples"]
    twin = Twin(watch, has_clock=False)
    table = Latest(latest, twin, random)
    for _ in range(120):
        with latest.transaction():
            latest.execute(f"SET TRANSACTION ISOLATION LEVEL {random.choice(LEVELS)}".encode())
            table.step()
        if random.random() < 0.2:
            judge_waiting(latest)
    judge_waiting(latest)
    expect_the_same(latest, installed, twin)
