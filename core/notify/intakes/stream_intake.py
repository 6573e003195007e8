"""Alerts from rtp's stream in Redis, where there is no queue: every event, in a consumer group.

One process takes them at a time, so that they come into the outbox in order. What it takes is acknowledged in the same
step that puts it there; what another left behind comes first.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import redis

from core.errors import SinkUnavailable
from core.notify.outbox.outbox import GROUP, TAKING, Taken
from core.notify.work_loop import WorkLoop
from core.problem import Problem, counted
from rtp_client.keys import STREAM
from rtp_client.redis import redis_errors
from rtp_client.stream.entries import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.notify.intakes.intake import Intake
    from core.notify.outbox.lease import Leases
    from rtp_client.stream.entries import StreamEntry

_CONSUMER = "rtp-notify"
"""Whoever has the lease: so what one process has left is its successor's own."""
_MOST_ENTRIES = 500
_PAUSE_SECONDS = 0.2
_LOST_GROUP = "NOGROUP"


class StreamIntake(WorkLoop):
    """Works while it has the lease."""

    def __init__(
        self,
        client: redis.Redis,
        address: str,
        intake: Intake,
        leases: Leases,
        *,
        block_ms: int,
        on_problem: Callable[[Problem], None],
    ) -> None:
        super().__init__(TAKING)
        self.busy_at = time.monotonic()
        self._client, self._address = client, address
        self._intake, self._leases = intake, leases
        self._block_ms = block_ms
        self._on_problem = on_problem
        self._read_behind = "$"

    def idle_seconds(self, now: float) -> float:
        """How long the stream has had nothing new, on the monotonic clock."""
        return now - self.busy_at

    def _run(self) -> None:
        is_mine = False
        while not self._stopping.is_set():
            if not self._leases.holds(STREAM):
                is_mine = False
                self._stopping.wait(_PAUSE_SECONDS)
                continue
            try:
                if not is_mine:
                    self._take_over()
                    is_mine = True
                else:
                    self._take(">", block_ms=self._block_ms)
            except SinkUnavailable as error:  # the leases tell of it
                is_mine = is_mine and _LOST_GROUP not in str(error)
                self.busy_at = time.monotonic()
                self._stopping.wait(_PAUSE_SECONDS)

    def _take_over(self) -> None:
        """Make the group unless there is one, and take what was left behind in it.

        A new one begins behind all that is there now; one that Redis has lost, where it stood.
        """
        with redis_errors(self._address, SinkUnavailable):
            try:
                self._client.xgroup_create(STREAM, GROUP, id=self._read_behind, mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
            groups: Any = self._client.xinfo_groups(STREAM)
            stream: Any = self._client.xinfo_stream(STREAM)
        mine = next(group for group in groups if group["name"] == GROUP.encode())
        self._read_behind = mine["last-delivered-id"].decode()
        self._tell_of_missed(mine, stream)
        while self._take("0"):
            pass

    def _tell_of_missed(self, group: dict[str, Any], stream: dict[str, Any]) -> None:
        """What the stream has let go before anybody could take it: it keeps no more than it is told to."""
        read, added, length = group.get("entries-read"), stream.get("entries-added"), stream["length"]
        if read is not None and added is not None and (missed := added - length - read) > 0:
            text = (
                f"{counted(missed, 'event')} left the Redis stream before rtp notify could take them. Keep more of it:"
                " redis.stream_max_length, or alert from an SQS queue"
            )
            self._on_problem(Problem(text, "notify", facts={"missed": missed}))

    def _take(self, behind: str, *, block_ms: int | None = None) -> bool:
        """Take the next entries; false where there are none, or they are another's to take."""
        with redis_errors(self._address, SinkUnavailable):
            found: Any = self._client.xreadgroup(
                GROUP, _CONSUMER, {STREAM: behind}, count=_MOST_ENTRIES, block=block_ms
            )
        pairs = list(found.values()) if isinstance(found, dict) else [entries for _, entries in found or ()]
        entries: Sequence[StreamEntry] = parse(pairs[0]) if pairs else ()
        if not entries:
            return False
        self.busy_at = time.monotonic()
        # An entry that is pending and has left the stream since has no fields.
        documents = [entry.document for entry in entries if entry.fields and entry.document]
        is_taken = self._intake.take(documents, Taken(self._leases.token, [entry.id for entry in entries]))
        if is_taken:
            self._read_behind = entries[-1].id
        else:
            self._leases.lost(STREAM)
        self.busy_at = time.monotonic()
        return is_taken
