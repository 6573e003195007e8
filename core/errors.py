"""Everything that can go wrong in rtp, as one small hierarchy.

Each error says what happened, and what to do about it. The type decides the policy: `ServiceUnavailable` is
retried, `EventRejected` becomes a dead letter, everything else ends the command with exit code 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtp_client.errors import RtpError, ServiceUnavailable, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Cancelled",
    "ConnectionLost",
    "EventRejected",
    "FeedError",
    "InstallError",
    "LeadershipLost",
    "LogMismatch",
    "NotInstalled",
    "RtpError",
    "RunningError",
    "ServiceUnavailable",
    "SettingsError",
    "SinkUnavailable",
    "StackError",
    "StatementRefused",
    "UnfitServer",
    "UnknownEntity",
    "UnknownLetter",
    "UnknownSink",
]


class Cancelled(Exception):
    """The caller asked to stop before the work was done. What had been begun is undone."""


class ConnectionLost(ServiceUnavailable):
    """A connection that had been made has ended: that says nothing yet about the server."""


class StatementRefused(ServiceUnavailable):
    """A server answered, and does not do what it is asked for: no right, a read-only database, a full disk."""

    what = "refuses"

    def __init__(self, service: str, address: str, cause: str) -> None:
        super().__init__(service, address, cause, what=self.what)


class UnfitServer(StatementRefused):
    """A server answers, and rtp cannot work with it: it takes no writes, or its sessions are not rtp's own."""

    what = "cannot be used"


class SinkUnavailable(ServiceUnavailable):
    """A sink's service failed in a way that may pass; the cursor waits and the batch is tried again.

    `is_service_down` is false where the service answered, and refuses this one destination: others are not concerned.
    `silent_until`, on the monotonic clock, is how long the service asked to be left alone; 0 where it did not ask.
    """

    def __init__(
        self,
        service: str,
        address: str,
        cause: str,
        *,
        is_service_down: bool = True,
        what: str = "",
        silent_until: float = 0.0,
    ) -> None:
        super().__init__(service, address, cause, what=what or ("is not reachable" if is_service_down else "refuses"))
        self.is_service_down = is_service_down
        self.silent_until = silent_until


class LeadershipLost(RtpError):
    """Another rtp run leads, or may: this one must not deliver. `surpassed_by` is the epoch that was met, if any."""

    def __init__(self, message: str, surpassed_by: int = 0) -> None:
        super().__init__(message)
        self.surpassed_by = surpassed_by


class EventRejected(RtpError):
    """A sink can never take this event; it belongs to the dead letters."""


class NotInstalled(RtpError):
    """The database has no rtp schema, or one that this rtp cannot use."""


class LogMismatch(RtpError):
    """A sink's cursor and the log are not of one server and one time: what is delivered cannot be told."""


class UnknownSink(RtpError):
    """No sink of this name has a cursor, and none is configured. `otherwise` is said where none at all is known."""

    def __init__(self, sink: str, known: Iterable[str], *, otherwise: str) -> None:
        names = ", ".join(dict.fromkeys(known))
        super().__init__(f"no sink is called {sink}", f"Known: {names}" if names else otherwise)


class UnknownLetter(RtpError):
    """There is no dead letter of this id."""


class RunningError(RtpError):
    """An rtp run, or somebody else, is active where a command must not be disturbed."""


class UnknownEntity(RtpError):
    """No watch has ever seen the protocol or token that someone asks about."""


class InstallError(RtpError):
    """The triggers could not be installed or removed; nothing was changed."""


class StackError(RtpError):
    """The embedded stack could not be started; nothing was left running."""


class FeedError(RtpError):
    """The demo's feed file cannot be used."""
