"""The load itself, in a process of its own: Locust's users write on schedule, Locust's statistics hold everything.

The first of several generators is also where the others' latencies are counted, so that its web UI and its CSV files
show the whole flow: request types `db`, `pubsub`, `sqs`, `detect`, `process` and `cache`.
"""

from __future__ import annotations

# Locust patches the standard library for gevent as it is imported, so it comes first.
from locust import User, constant, events, task  # isort: skip

import logging
import sys
import time
from itertools import count
from typing import TYPE_CHECKING, Any

import gevent
import psycopg
from gevent.fileobject import FileObject
from locust.env import Environment
from locust.exception import StopUser
from locust.stats import PERCENTILES_TO_REPORT, StatsCSVFileWriter, stats_history

from core.errors import ServiceUnavailable
from core.services.postgres import connect
from core.settings.models import postgres_dsn
from loadtests.scenarios.clock import seconds_until
from loadtests.scenarios.processes.child import TICK_SECONDS, Orders
from loadtests.scenarios.processes.locust_statistics import count_tick
from loadtests.scenarios.processes.tick import Recorder
from loadtests.scenarios.processes.writer import UserWriter
from loadtests.scenarios.scenario import find_scenario
from loadtests.scenarios.schedule import due_times, user_count

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAUSE_AFTER_FAILURE_SECONDS = 0.2


class Users:
    """The users of this process, their connections and their schedules."""

    def __init__(self, orders: Orders, recorder: Recorder, environment: Environment) -> None:
        plan = orders.plan
        self.orders, self.recorder, self.environment = orders, recorder, environment
        self.scenario = find_scenario(plan.scenario)
        self.dsn = postgres_dsn(plan.settings)
        users = user_count(self.scenario, plan.rate)
        self.numbers = range(plan.part, users, plan.parts)
        self.writers = [UserWriter(self.scenario, number, users) for number in self.numbers]
        self.connections = [connect(self.dsn, role="loadtest writer") for _ in self.numbers]
        self.schedules = [due_times(self.scenario, plan.rate, plan.seconds, number, users) for number in self.numbers]
        self.start_time = 0.0
        self.unfinished = len(self.writers)

    def write(self, index: int, offset: float) -> None:
        """Wait until it is due, and write until it is written; tell Locust and the recorder how long that took."""
        due = self.start_time + offset
        gevent.sleep(seconds_until(due))
        second, started, error = int(offset), time.time(), None
        rows = 0
        try:
            rows = self.writers[index].write(self.connections[index], due)
        except psycopg.Error as failure:
            error = failure
        ended = time.time()
        self.recorder.latency("lateness", second, (started - due) * 1000)
        if error is None:
            self.recorder.latency("db", second, (ended - due) * 1000)
            self.recorder.latency("statement", second, (ended - started) * 1000)
            self.recorder.count("written", second, rows)
        else:
            self.recorder.count("write failed", second)
        self.environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type="db",
            name=self.scenario.name,
            response_time=(ended - due) * 1000,
            response_length=rows,
            exception=error,
            context={},
        )
        if error is not None:
            self._recover(index)
            if not self.orders.stopping.is_set():
                self.write(index, offset)

    def _recover(self, index: int) -> None:
        gevent.sleep(_PAUSE_AFTER_FAILURE_SECONDS)
        if self.connections[index].closed:
            try:
                self.connections[index] = connect(self.dsn, role="loadtest writer")
            except ServiceUnavailable:
                return  # the next attempt fails, too, is counted, and comes back here

    def written(self) -> dict[str, int]:
        return {entity: number for writer in self.writers for entity, number in writer.written.items() if number}


def _user_class(users: Users) -> type[User]:
    numbers = count()

    class Writes(User):
        wait_time = constant(0)

        def __init__(self, environment: Environment) -> None:
            super().__init__(environment)
            self.index = next(numbers)
            self.schedule: Iterator[float] = iter(())
            if self.index < len(users.schedules):  # somebody may ask for more in the web UI: they have nothing to do
                self.schedule = users.schedules[self.index]

        @task
        def write(self) -> None:
            offset = next(self.schedule, None)
            if offset is None or users.orders.stopping.is_set():
                users.unfinished -= self.index < len(users.schedules)
                raise StopUser
            users.write(self.index, offset)

    return Writes


def main() -> None:
    """Connect, say so, wait for the start, and write until the schedule ends."""
    logging.disable(logging.WARNING)
    recorder = Recorder()
    environment = Environment(events=events)
    orders = Orders(FileObject(sys.stdin.fileno(), "rb"), lambda tick: count_tick(environment.stats, tick))
    plan = orders.plan
    users = Users(orders, recorder, environment)
    environment.user_classes = [_user_class(users)]
    runner = environment.create_local_runner()
    gevent.spawn(stats_history, runner)
    if plan.web_port is not None:
        environment.create_web_ui("127.0.0.1", plan.web_port)
    if plan.csv_prefix is not None:
        gevent.spawn(StatsCSVFileWriter(environment, PERCENTILES_TO_REPORT, plan.csv_prefix, full_history=True))
    users.start_time = orders.wait_for_start()
    environment.stats.reset_all()
    runner.start(user_count=len(users.writers), spawn_rate=max(len(users.writers), 1))
    reports = gevent.spawn(orders.report, recorder)
    while users.unfinished > 0 and not orders.stopping.is_set():
        gevent.sleep(TICK_SECONDS / 5)
    orders.say({"tick": recorder.take().encoded()})
    orders.say({"written": users.written()})
    orders.stopping.wait()  # the receivers' last latencies may still come in
    reports.join()
    _leave(runner, users)


def _leave(runner: Any, users: Users) -> None:
    gevent.sleep(1.1 if users.orders.plan.csv_prefix else 0)  # the CSV writer's own interval
    runner.quit()
    for connection in users.connections:
        connection.close()


if __name__ == "__main__":
    main()
