"""What works beside a board: one thread follows the events, another looks again and again at how rtp does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from cli.top.given import Inbox, Notice
from cli.top.market import SnapshotEnd
from cli.top.sinks import RtpState
from core.errors import RtpError
from rtp_client import EventStream, ServiceUnavailable
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOK_SECONDS = 2.0


class Follower:
    """Puts every event that comes out of Redis into the inbox, from the time it is entered."""

    def __init__(self, url: str, inbox: Inbox) -> None:
        self._inbox = inbox
        self._stream = EventStream(url, on_notice=self._tell)
        self._thread = threading.Thread(target=self._follow, name="rtp-top-events", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._thread.join(timeout=5)

    def _follow(self) -> None:
        try:
            events = self._stream.follow()
            self._inbox.put(SnapshotEnd())
            for tailed in events:
                self._inbox.put(tailed.event)
        except ServiceUnavailable as error:
            self._inbox.put(Notice(str(error), is_lost=True))

    def _tell(self, notice: str) -> None:
        self._inbox.put(Notice(notice, is_lost="trying again" in notice, is_back="answers again" in notice))


class Looker:
    """Puts what each look has found into the inbox; a look that fails is told, and tried again."""

    def __init__(self, looks: Callable[[], Iterator[RtpState]], inbox: Inbox) -> None:
        self._looks = looks
        self._inbox = inbox
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look, name="rtp-top-looks", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join(timeout=5)

    def _look(self) -> None:
        while not self._closing.is_set():
            try:
                for state in self._looks():
                    self._inbox.put(state)
                    if self._closing.wait(LOOK_SECONDS):
                        return
            except RtpError as error:
                self._inbox.put(RtpState(troubles=(one_line(error),)))
            self._closing.wait(LOOK_SECONDS)
