"""Signals that tell rtp to end: SIGINT (Ctrl-C), SIGTERM and SIGHUP.

What runs until it is stopped notes them, and looks at what was noted where it can end. An exception from a handler
would be raised wherever the main thread happens to be: in a finalizer, or between the taking of a lock and its
release, which would then be held for ever.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from functools import wraps
from queue import SimpleQueue
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Options = ParamSpec("_Options")

ENDED_EARLY = 130
"""The exit code of a command that was ended before it was done."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_inbox: SimpleQueue[bool] | None = None


def interruptible(command: Callable[_Options, None]) -> Callable[_Options, None]:
    """The command, within which Ctrl-C raises KeyboardInterrupt: it cancels a running statement, and rolls back."""

    @wraps(command)
    def run(*arguments: _Options.args, **options: _Options.kwargs) -> None:
        if (before := signal.getsignal(signal.SIGINT)) == signal.SIG_IGN:
            command(*arguments, **options)
            return
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            command(*arguments, **options)
        finally:
            signal.signal(signal.SIGINT, before)

    return run


@contextmanager
def noting_signals(on_request: Callable[[], object] = lambda: None) -> Iterator[threading.Event]:
    """Within, a signal sets the event, then calls `on_request` on another thread, and does nothing else.

    After the first signal all others are ignored until the process is gone: nothing interrupts its ending. A signal
    that whoever started rtp had it ignore (nohup) stays ignored.
    """
    global _inbox  # noqa: PLW0603  (signals are the process's)
    stop_requested = threading.Event()
    # A handler must not call Event.set(): the main thread may be inside the event, with its lock. put() is reentrant.
    inbox: SimpleQueue[bool] = SimpleQueue()

    def note() -> None:
        if inbox.get():
            stop_requested.set()
            on_request()

    threading.Thread(target=note, name="rtp-signals", daemon=True).start()
    heeded = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: inbox.put(True)) for number in heeded}
    _inbox = inbox
    try:
        yield stop_requested
    finally:
        _inbox = None
        inbox.put(False)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if stop_requested.is_set() else handler)


def request_stop() -> bool:
    """Do what a signal does. False where nobody notes signals, and nothing was done."""
    if (inbox := _inbox) is None:
        return False
    inbox.put(True)
    return True
