"""One thread, alive as long as the process, that starts and ends the servers. Two reasons.

- Linux ends a server with rtp when the *thread* that started it exits (PR_SET_PDEATHSIG), so servers must
  not be started by a thread that may end sooner than the process.
- Python delivers Ctrl-C to the main thread only. Work done here is never cut in two by KeyboardInterrupt:
  the main thread receives it while it waits, asks for cancellation, and waits until all is undone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from core.errors import Cancelled

Result = TypeVar("Result")
Progress = Callable[[str], None]


class _Task:
    def __init__(self, job: Callable[[], Any], cancelled: threading.Event) -> None:
        self.job = job
        self.cancelled = cancelled
        self.messages: SimpleQueue[str | None] = SimpleQueue()  # None: the job has ended
        self.started = False
        self.ended = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        self.started = True
        try:
            self.result = self.job()
        except BaseException as error:  # noqa: BLE001  (raised again in the caller's thread)
            self.error = error
        self.ended.set()
        self.messages.put(None)


class _Keeper:
    def __init__(self) -> None:
        self.tasks: SimpleQueue[_Task] = SimpleQueue()
        self.current: _Task | None = None
        self.thread = threading.Thread(target=self._work, name="rtp-stack-keeper", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        while True:
            task = self.tasks.get()
            if not task.started:  # an interrupted caller hands its task in twice
                self.current = task
                task.run()
                self.current = None


_keeper: _Keeper | None = None
_lock = threading.Lock()


def _get_keeper() -> _Keeper:
    global _keeper  # noqa: PLW0603  (one per process, made at first use)
    with _lock:
        if _keeper is None:
            _keeper = _Keeper()
        return _keeper


def _forget_keeper() -> None:
    global _keeper, _lock  # threads do not survive a fork, and the lock may have been held
    _keeper, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_keeper)


def call(
    job: Callable[[], Result], progress: Progress | None = None, cancelled: threading.Event | None = None
) -> Result:
    """The job's result, computed on the keeper's thread; `progress` gets its messages on this one.

    `cancelled` ends the job early: Cancelled is raised when it has undone its work. So does an exception on this
    thread (KeyboardInterrupt, or one that `progress` raises), which is raised again.
    """
    keeper = _get_keeper()
    if threading.current_thread() is keeper.thread:
        return job()
    task = _Task(job, cancelled or threading.Event())
    try:
        keeper.tasks.put(task)
        while (message := task.messages.get()) is not None:
            if progress is not None:
                progress(message)
    except BaseException:
        _cancel(keeper, task)
        raise
    if task.error is not None:
        raise task.error
    result: Result = task.result
    return result


def _cancel(keeper: _Keeper, task: _Task) -> None:
    while not task.ended.is_set():
        try:
            task.cancelled.set()
            keeper.tasks.put(task)  # the interrupt may have come before it was handed in
            task.ended.wait()
        except BaseException:  # noqa: BLE001, S112  (an impatient second Ctrl-C: cleaning up goes on)
            continue


def say(message: str) -> None:
    """Send the caller a line about what the current job is doing; it must hold no secret."""
    if (task := _get_keeper().current) is not None:
        task.messages.put(message)


def pause(seconds: float) -> None:
    """Wait within a job. Raises Cancelled as soon as the job is to end."""
    if (task := _get_keeper().current) is not None and task.cancelled.wait(seconds):
        raise Cancelled
