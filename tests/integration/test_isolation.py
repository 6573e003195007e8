"""Nothing committed is lost, whichever levels of isolation the writers have, and however they meet with the judge.

Histories of concurrent transactions are held to a simple model: what the table has held after each commit.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.effort import IS_LONG
from tests.histories import KEYS, STEPS, WRITERS, Contents, History, Step
from tests.judging import judge_until_level, judge_waiting, judging, server_of
from tests.watching import install

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TABLE = "CREATE TABLE public.{} (chain text, protocol text, value integer, PRIMARY KEY (chain, protocol))"
VALUES: dict[str, Any] = {
    "kind": "tvl",
    "table": "watched",
    "percent": 1.5,
    "columns": {"chain": "chain", "protocol": "protocol", "value": "value"},
}
METADATA: dict[str, Any] = {
    "kind": "protocol",
    "table": "watched",
    "columns": {"chain": "chain", "protocol": "protocol"},
    "watched": ["value"],
}


class RestlessJudge:
    """Judges when it is told to, and begins anew."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._server = server_of(connection)
        self._life = ExitStack()
        self.restart()

    def restart(self) -> None:
        self.close()
        self._log, self._session = self._life.enter_context(judging(self._server))

    def judge(self) -> None:
        judge_until_level(self._log, self._session)

    def close(self) -> None:
        self._life.close()


class Bench:
    """A watched table and one that nobody watches, their writers, and what the watched one has held."""

    def __init__(
        self, owner: psycopg.Connection, connect: Callable[[], psycopg.Connection], watch: dict[str, Any]
    ) -> None:
        self._owner = owner
        for table in ("watched", "bare"):
            owner.execute(TABLE.format(table).encode())
        install(owner, it=watch)
        self._writers = [connect() for _ in range(WRITERS)]
        self.held: list[Contents] = []

    def run(self, steps: Sequence[Step]) -> None:
        """Take the steps on both tables, which must come to the same; then judge all that is left."""
        self._begin_anew()
        bare = History(self._writers, "public.bare")
        bare.run(steps, _Nobody())
        judge = RestlessJudge(self._owner)
        watched = History(self._writers, "public.watched")
        watched.run(steps, judge)
        judge.close()
        assert watched.outcomes == bare.outcomes
        self.held = watched.held
        self._judge_the_rest()
        assert self._owner.execute("SELECT operation, message FROM rtp.trigger_error").fetchall() == []

    def events(self) -> dict[str, list[tuple[Any, ...]]]:
        """Each entity's, in order."""
        found = defaultdict(list)
        for entity, *event in self._owner.execute(
            "SELECT entity, reason, previous, current, fields #>> '{value,current}' FROM rtp.event ORDER BY id"
        ).fetchall():
            found[entity].append(tuple(event))
        return found

    def baselines(self) -> dict[str, Any]:
        return dict(self._owner.execute("SELECT entity, value FROM rtp.baseline").fetchall())

    def _begin_anew(self) -> None:
        self._owner.execute("DELETE FROM public.watched")
        self._owner.execute("DELETE FROM public.bare")
        self._judge_the_rest()
        assert self.baselines() == {}
        self._owner.execute("DELETE FROM rtp.event")

    def _judge_the_rest(self) -> None:
        for _ in range(20):
            judge_waiting(self._owner)
            if not self._owner.execute("UPDATE rtp.look SET try_at = now()").rowcount:
                return
        raise AssertionError("there are always more looks to be taken")


class _Nobody:
    def judge(self) -> None:
        pass

    def restart(self) -> None:
        pass


def is_significant(before: int, after: int) -> bool:
    return before != after and abs(after - before) * 100 >= 1.5 * before


@pytest.fixture(
    params=[VALUES, {**VALUES, "heartbeat": "1d"}, METADATA], ids=["judged by its trigger", "sampled", "metadata"]
)
def bench(
    request: pytest.FixtureRequest, writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> Bench:
    return Bench(writer, connect_again, request.param)


@settings(
    max_examples=500 if IS_LONG else 12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],  # a smaller example would take minutes to find
)
@given(STEPS)
def test_what_the_table_holds_in_the_end_has_been_told(bench: Bench, steps: list[Step]) -> None:
    bench.run(steps)
    held, baselines, events = bench.held[-1], bench.baselines(), bench.events()
    assert baselines.keys() == held.keys()
    for entity in KEYS:
        if None not in baselines.values():
            told_values(bench, entity, events[entity], baselines.get(entity))
        else:
            told_fields(bench, entity, events[entity])


def told_values(bench: Bench, entity: str, events: list[tuple[Any, ...]], baseline: int | None) -> None:
    """Each event goes on from the one before, tells what was committed, and the last one what is there."""
    have_been = [contents.get(entity) for contents in bench.held]
    known: int | None = None
    for reason, previous, current, _ in events:
        assert known is None or previous == known
        assert previous in have_been
        assert current in have_been
        assert (reason == "deleted") == (current is None)
        known = current
    if known is not None:
        assert known == baseline
    now = bench.held[-1].get(entity)
    assert (now is None) == (baseline is None)
    if now is not None and baseline is not None:
        assert not is_significant(baseline, now)


def told_fields(bench: Bench, entity: str, events: list[tuple[Any, ...]]) -> None:
    have_been = [contents.get(entity) for contents in bench.held]
    known: int | None = None
    for reason, *_, current in events:
        known = None if reason == "removed" else int(current)
        assert known in have_been
    assert known == bench.held[-1].get(entity)
