"""The load itself, in a process of its own: Locust's users write on schedule.

Where its web UI or its CSV files are asked for, the first of several generators is told the latencies of all processes,
so that Locust's statistics show the whole flow: request types `db`, `pubsub`, `sqs`, `detect`, `process` and `cache`.
"""

from __future__ import annotations

# Locust patches the standard library for gevent as it is imported, so it comes first.
from locust import User, constant, events, task  # isort: skip

import logging
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

import gevent
from gevent.fileobject import FileObject
from locust.env import Environment
from locust.exception import StopUser
from locust.stats import PERCENTILES_TO_REPORT, StatsCSVFileWriter, stats_history

from core.services.postgres import connect
from core.settings.models import postgres_dsn
from loadtests.scenarios.processes.child import TICK_SECONDS, Orders, run
from loadtests.scenarios.processes.locust_statistics import count_failure, count_tick
from loadtests.scenarios.processes.scheduled_writes import ScheduledWrites
from loadtests.scenarios.processes.tick import Recorder
from loadtests.scenarios.processes.writer import UserWriter
from loadtests.scenarios.scenario import find_scenario
from loadtests.scenarios.schedule import due_times, user_count

if TYPE_CHECKING:
    from psycopg import Connection


class Users:
    """The users of this process, and what each of them writes."""

    def __init__(self, orders: Orders, recorder: Recorder, environment: Environment) -> None:
        plan, dsn = orders.plan, postgres_dsn(orders.plan.settings)
        scenario = find_scenario(plan.scenario)
        users = user_count(scenario, plan.rate)
        numbers = range(plan.part, users, plan.parts)

        def connected() -> Connection:
            return connect(dsn, role="loadtest writer")

        self.start_time = 0.0
        self.writers = [UserWriter(scenario, number, users) for number in numbers]
        self.unfinished = len(self.writers)
        self._writes = [
            ScheduledWrites(
                *(writer, due_times(scenario, plan.rate, plan.seconds, number, users), connected, recorder),
                on_failure=lambda error: count_failure(environment.stats, error),
            )
            for number, writer in zip(numbers, self.writers, strict=True)
        ]

    def write(self, index: int) -> None:
        """Write all of one user's; somebody may ask for more users in the web UI: they have nothing to do."""
        if index < len(self._writes):
            self._writes[index].run(self.start_time)
            self.unfinished -= 1

    def close(self) -> None:
        for writes in self._writes:
            writes.close()

    def written(self) -> dict[str, int]:
        return {entity: number for writer in self.writers for entity, number in writer.written.items() if number}


def _user_class(users: Users) -> type[User]:
    numbers = count()

    class Writes(User):
        wait_time = constant(0)

        def __init__(self, environment: Environment) -> None:
            super().__init__(environment)
            self.index = next(numbers)

        @task
        def write(self) -> None:
            users.write(self.index)
            raise StopUser

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
    _leave(runner, users, has_csv_files=plan.csv_prefix is not None)


def _leave(runner: Any, users: Users, *, has_csv_files: bool) -> None:
    gevent.sleep(1.1 if has_csv_files else 0)  # the CSV writer's own interval
    runner.quit()
    users.close()


if __name__ == "__main__":
    run(main)
