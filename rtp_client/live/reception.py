"""What a subscription has received, and from where it goes on after a new connection. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from rtp_client.errors import GatewayRefused
from rtp_client.event import decode_event
from rtp_client.live.messages import LiveEntry, LiveEvent, Message, SnapshotPage, Subscribed
from rtp_client.live.snapshot_reach import SnapshotReach
from rtp_client.stream.entries import REDELIVERY_REACH
from rtp_client.stream.gap import Gap, GapReason
from rtp_client.stream.position import Position
from rtp_client.stream.recent_ids import RecentIds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rtp_client.live.wanted import Wanted

_ID = "a"  # each subscription has a connection of its own


class MessageLost(Exception):
    """A message of the gateway has not come; a new connection gets it."""


class _Heard(Struct, frozen=True):
    """A message of the gateway: all members that one of any type can have. A newer gateway may send others."""

    type: str
    position: str = ""
    resumed: bool = False
    state: str = ""
    reason: str = ""
    message: str = ""
    code: str = ""
    id: str | None = None
    after_ms: int = 0
    entries: list[LiveEntry] = []
    done: bool = False
    n: int = 0
    skipped: int = 0
    event: Raw = Raw(b"")


_DECODER = msgspec.json.Decoder(_Heard)


class Reception:
    """One subscription, over all its connections."""

    def __init__(
        self, wanted: Wanted, address: str, notice: Callable[[str], None], tell_live: Callable[[bool], None]
    ) -> None:
        self.reconnect_after_seconds: float | None = None
        self.complaint: GatewayRefused | None = None
        """Why the gateway is about to end the connection, where it has said so."""
        self._wanted = wanted
        self._address = address
        self._notice = notice
        self._tell_live = tell_live
        self._is_live = True
        self._has_upstream = True
        self._seen = RecentIds(REDELIVERY_REACH)
        self._resume = wanted.resume
        self._behind_snapshot: Position | None = None
        self._is_first_page = True
        self._reach = SnapshotReach()
        self._count = 0
        self._is_subscribed = False

    def request(self) -> str:
        """What asks the gateway for the events from here on; it follows the gateway's welcome."""
        self._count = 0
        self._is_subscribed = False
        self._is_first_page = True
        request: dict[str, Any] = {
            "type": "subscribe",
            "id": _ID,
            "filter": self._wanted.filter.as_json(),
            "snapshot": self._wanted.snapshot,
            "slow": self._wanted.slow,
        }
        # Until a snapshot is complete there is nothing to go on from.
        if self._resume is not None:
            request["resume"] = str(self._resume)
        return msgspec.json.encode(request).decode()

    def take(self, text: str | bytes) -> Iterator[Message]:
        """What a message of the gateway tells. Raises MessageLost, GatewayRefused, and ValueError for what is none."""
        heard = _DECODER.decode(text)
        match heard.type:
            case "welcome":
                self.reconnect_after_seconds = self.complaint = None
                self._has_upstream = True
            case "subscribed":
                self._is_subscribed = True
                self._be_live(self._has_upstream)
                position = Position.parse(heard.position)
                if self._resume is None:
                    self._begin_at(position)
                yield Subscribed(position, heard.resumed)
            case "reset":
                gap = Gap(_known(heard.reason), heard.message, Position.parse(heard.position))
                self._begin_at(gap.position)
                yield gap
            case "snapshot":
                yield self._page(heard)
            case "event":
                yield from self._event(heard)
            case "error":
                self._hear_complaint(heard)
            case "reconnect":
                self.reconnect_after_seconds = heard.after_ms / 1000
                self._notice(f"the gateway at {self._address}: {heard.message}")
            case "upstream":
                self._has_upstream = heard.state == "back"
                self._be_live(self._is_subscribed and self._has_upstream)
                self._notice(f"the gateway at {self._address}: {heard.message}")

    def connection_lost(self) -> None:
        """Nothing comes until there is a new one."""
        self._be_live(False)

    def _be_live(self, is_live: bool) -> None:
        if is_live is not self._is_live:
            self._is_live = is_live
            self._tell_live(is_live)

    def _hear_complaint(self, heard: _Heard) -> None:
        complaint = GatewayRefused(self._address, heard.code, heard.message)
        if heard.id is None:
            self.complaint = complaint
        elif not self._is_subscribed:
            raise complaint
        else:
            self._notice(f"the gateway at {self._address}: {heard.message}")

    def _begin_at(self, position: Position) -> None:
        self._behind_snapshot = position
        self._is_first_page = True
        self._resume = None if self._wanted.snapshot else position

    def _page(self, heard: _Heard) -> SnapshotPage:
        page = SnapshotPage(tuple(heard.entries), self._is_first_page, heard.done)
        self._reach.take(page.entries, is_first=page.is_first)
        self._is_first_page = False
        if heard.done:
            self._resume = self._behind_snapshot
        return page

    def _event(self, heard: _Heard) -> Iterator[LiveEvent]:
        if heard.n != self._count + 1 + heard.skipped:
            raise MessageLost(f"message {self._count + 1} did not come")
        self._count = heard.n
        self._resume = position = Position.parse(heard.position)
        document = bytes(heard.event)
        try:
            event = decode_event(document)
        except ValueError:
            self._notice(f"the event at {position} is none that this version of rtp can read; skipped")
            return
        # A new connection goes on behind the snapshot's start, and what came since may be in its values.
        if self._seen.add(event.id) and not self._reach.holds(event):
            yield LiveEvent(event, position, heard.skipped, document)


def _known(reason: str) -> GapReason:
    """The reason of a gap; what a newer gateway calls otherwise is a lost place, too."""
    return GapReason(reason) if reason in list(GapReason) else GapReason.STREAM_LOST
