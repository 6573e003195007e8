"""The demo's view on a full terminal: the board, while rtp delivers in a thread behind it."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from cli.demo_view import DemoView
from cli.logs import LOG
from cli.output import print_problem
from cli.signals import request_stop
from cli.top.board import Board
from cli.top.world import Notice
from cli.top.worlds import world_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cli.top.world import BoardInbox
    from core.settings.models import Settings


class DemoBoard(DemoView):
    """Shows the board until the work is done, or somebody quits it, which ends the work.

    `page` is where the gateway serves its page, if it does.
    """

    def __init__(self, settings: Settings, page: str | None) -> None:
        super().__init__(settings)
        self._title = f"demo, page at {page}" if page else "demo"

    def run(self, work: Callable[[], None]) -> None:
        """Do it in a thread: Textual wants the main one."""
        behind = _Behind(work)
        try:
            with world_of(self._settings) as world, _logging_to(world.inbox):
                board = Board(replace(world, title=self._title, remark=self.alerts_taken, is_over=behind.is_over))
                behind.start()
                board.run()
        finally:
            request_stop()
        for line in board.said:
            print_problem(line)
        behind.end()
        if board.failure is not None:
            raise board.failure


class _Behind:
    """Work in a thread, whose error is raised where the end is waited for."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._do, name="rtp-demo")

    def start(self) -> None:
        self._thread.start()

    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _do(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  (it is raised in the thread that waits)
            self._error = error


@contextmanager
def _logging_to(inbox: BoardInbox) -> Iterator[None]:
    """Within, what rtp logs is shown by the board, which has the terminal."""
    handlers, own = list(LOG.handlers), _InboxHandler(inbox)
    LOG.handlers[:] = [own]
    try:
        yield
    finally:
        LOG.handlers[:] = handlers


class _InboxHandler(logging.Handler):
    def __init__(self, inbox: BoardInbox) -> None:
        super().__init__(logging.WARNING)
        self._inbox = inbox

    def emit(self, record: logging.LogRecord) -> None:
        self._inbox.put(Notice(record.getMessage()))
