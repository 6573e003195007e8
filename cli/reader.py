"""Whoever reads standard output. Where that is all that a command works for, it ends when its reader leaves."""

from __future__ import annotations

import os
import select
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.signals import request_stop

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def noting_the_reader() -> Iterator[None]:
    """Within `noting_signals`: the reader's leaving is a request to stop, also while there is nothing to print."""
    try:
        output = sys.stdout.fileno()
    except OSError:  # no file: a test reads what is printed
        yield
        return
    ended, end = os.pipe()

    def wait() -> None:
        poll = select.poll()
        for descriptor in (output, ended):
            poll.register(descriptor, 0)  # hang-ups and errors are told in any case
        if output in (descriptor for descriptor, _ in poll.poll()):
            request_stop()

    waiting = threading.Thread(target=wait, name="rtp-reader", daemon=True)
    waiting.start()
    try:
        yield
    finally:
        os.close(end)
        waiting.join()
        os.close(ended)
