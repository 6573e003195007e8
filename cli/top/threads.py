"""What works beside a board: one thread follows the events, another looks again and again at how rtp does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from cli.top.sinks import RtpState
from cli.top.world import BoardInbox, Liveness, Notice
from core.errors import RtpError
from rtp_client import SyncClient
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOK_SECONDS = 2.0


class Follower:
    """Puts what is live into the inbox: the current values first, then every event; last an error, if one ends it."""

    def __init__(self, url: str, inbox: BoardInbox, token: str | None = None) -> None:
        self._inbox = inbox
        self._client = SyncClient(url, token, on_notice=self._tell, on_live=self._tell_live)
        self._thread = threading.Thread(target=self._follow, name="rtp-top-events", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._thread.join(timeout=5)

    def _follow(self) -> None:
        try:
            for message in self._client.messages(snapshot=True):
                self._inbox.put(message)
        except RtpError as error:
            self._inbox.put(error)

    def _tell(self, notice: str) -> None:
        self._inbox.put(Notice(notice))

    def _tell_live(self, is_live: bool) -> None:
        self._inbox.put(Liveness(is_live))


class Looker:
    """Puts what each look has found into the inbox; a look that fails is told, and tried again."""

    def __init__(self, looks: Callable[[], Iterator[RtpState]], inbox: BoardInbox) -> None:
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
