"""The processes of a load test: each gets a plan and then orders on standard input, and answers with JSON lines.

Secrets travel by the pipe, never on a command line. A child whose parent is gone reads the end of its input, and ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import RtpError
from core.own_python import own_module
from core.settings.models import Settings
from loadtests.scenarios.processes.tick import Tick, line
from loadtests.shared.process import Process
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from queue import SimpleQueue

    from loadtests.scenarios.processes.tick import Recorder

TICK_SECONDS = 0.5
_END_SECONDS = 15


@dataclass(frozen=True)
class ProcessPlan:
    """What a child has to know. `clock_ahead_seconds`: how far the database's clock is ahead of this machine's."""

    scenario: str
    rate: float
    seconds: float
    settings: Settings
    clock_ahead_seconds: float = 0.0
    part: int = 0
    parts: int = 1
    web_port: int | None = None
    csv_prefix: str | None = None

    def encoded(self) -> dict[str, Any]:
        return vars(self) | {"settings": self.settings.own_document()}

    @classmethod
    def decoded(cls, document: Mapping[str, Any]) -> ProcessPlan:
        return cls(**{**document, "settings": Settings.model_validate(document["settings"])})


class Orders:
    """A child's side of the pipe."""

    def __init__(self, stream: Any = None, on_tick: Callable[[Tick], None] = lambda _: None) -> None:
        self._stream = stream or sys.stdin.buffer
        self._on_tick = on_tick
        self._started, self.stopping = threading.Event(), threading.Event()
        self.start_time = 0.0
        self.plan = ProcessPlan.decoded(json.loads(self._stream.readline()))
        threading.Thread(target=self._listen, daemon=True).start()

    def wait_for_start(self) -> float:
        """Say that all is ready, and return the moment of the start (Unix time)."""
        self.say({"ready": True})
        self._started.wait()
        return self.start_time

    def say(self, document: Mapping[str, Any]) -> None:
        try:
            sys.stdout.buffer.write(line(document))
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            self.stopping.set()

    def report(self, recorder: Recorder) -> None:
        """Tell the parent, until it says stop, what is new."""
        while not self.stopping.wait(TICK_SECONDS):
            self.say({"tick": recorder.take().encoded()})
        self.say({"tick": recorder.take().encoded()})

    def _listen(self) -> None:
        for text in self._stream:
            order = json.loads(text)
            if "start" in order:
                self.start_time = order["start"]
                self._started.set()
            elif "tick" in order:
                self._on_tick(Tick.decoded(order["tick"]))
            elif "stop" in order:
                break
        self.stopping.set()
        self._started.set()


def run(main: Callable[[], None]) -> None:
    """Run a child's main. The last line that it says is the error that ends it.

    At its own exit Python would abort: a thread waits for orders, and with them holds standard input.
    """
    try:
        main()
    except Exception as error:  # noqa: BLE001 - it is told, and ends the process
        traceback.print_exc()
        print(f"{type(error).__name__}: {one_line(error)}", file=sys.stderr, flush=True)
        os._exit(1)


class Child:
    """The parent's side: one process, and what it has said."""

    def __init__(self, name: str, plan: ProcessPlan, environ: Mapping[str, str], said: SimpleQueue[Said]) -> None:
        self.name = name + (f" {plan.part + 1}" if plan.parts > 1 else "")
        self._process = Process(
            own_module(f"{__package__}.{name}"),
            environ,
            on_line=lambda text: said.put(Said(self.name, json.loads(text))),
        )
        self.send(plan.encoded())

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, order: Mapping[str, Any]) -> None:
        """Give it an order; one that has ended does not hear it, and that is noticed by `check`."""
        self._process.tell(line(order))

    def check(self) -> None:
        if self._process.exit_code:
            raise RtpError(f"the load test's {self.name} {self._process.how_it_ended()}")

    def end(self) -> None:
        self._process.end(None, _END_SECONDS)


@dataclass(frozen=True)
class Said:
    """A line that a child has said."""

    who: str
    document: Mapping[str, Any]
