"""Threads for calls to servers, which the end of the process does not wait for.

Python waits for the threads of `concurrent.futures` whatever they do, and a server may take a minute to answer one.
"""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class DaemonPool(Executor):
    """Up to `size` threads, made as calls come."""

    def __init__(self, size: int, *, name: str) -> None:
        self._size = size
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(
        self, fn: Callable[_Parameters, _Result], /, *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> Future[_Result]:
        """See Executor. For one thread at a time."""
        future: Future[_Result] = Future()
        self._calls.put(partial(_settle, future, partial(fn, *args, **kwargs)))
        if len(self._threads) < self._size:
            self._threads.append(
                threading.Thread(target=self._work, name=f"{self._name}_{len(self._threads)}", daemon=True)
            )
            self._threads[-1].start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads once they have done what was submitted, and wait for that, or not."""
        for _ in self._threads:
            self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()
        self._threads.clear()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # its result is not this thread's to keep


def _settle(future: Future[_Result], call: Callable[[], _Result]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the result gets it
            future.set_exception(error)
