"""How a loop comes back to a service that has failed: the one policy of all loops.

A lost connection says nothing yet about the server; only connecting anew does. So the first loss costs no wait, and the
circuit breaker, which all loops share, hears of a loss only where nothing was answered since the loss before.
A refused statement is no outage: the loop that was refused waits, and the breaker stays closed for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import ConnectionLost, SinkUnavailable, StatementRefused
from core.trouble import Troubles

if TYPE_CHECKING:
    import threading

    from core.errors import ServiceUnavailable
    from core.services.circuit import CircuitBreaker
    from rtp_client.backoff import Backoff


class Recovery:
    """One loop's failures in a row with one service. Not thread-safe: each loop has its own.

    A loop asks `wait_for_turn`, calls the service, says what came of the call, and after a failure calls `pause`.
    What it cannot do meanwhile is among the `troubles`, as a trouble of `part`.
    """

    def __init__(
        self, circuit: CircuitBreaker, backoff: Backoff, *, part: str = "", troubles: Troubles | None = None
    ) -> None:
        self.circuit = circuit
        self.backoff = backoff
        self.failures = 0
        self.part = part
        self.has_worked = False
        """Whether the service has ever done for the loop what it is asked for, or let it connect."""
        self._troubles = troubles or Troubles()
        self._is_in_trouble = False
        self._has_lost = False
        self._is_refused = False

    def wait_for_turn(self, halt: threading.Event) -> bool:
        """Wait until the breaker lets a call through; false where `halt` is set before that."""
        return self.circuit.wait_for_turn(halt)

    def connected(self) -> None:
        """Connecting worked. After a lost connection or a refusal that proves nothing: it may end as the last did."""
        self.has_worked = True
        if not self._has_lost and not self._is_refused:
            self.succeeded()

    def succeeded(self) -> None:
        """The service answered what the loop is there for."""
        self.failures, self._has_lost, self.has_worked = 0, False, True
        self.circuit.succeeded()
        if self._is_in_trouble:
            self.rest()
        if self._is_refused:
            self._is_refused = False
            self.circuit.granted()

    def failed(self, error: ServiceUnavailable) -> None:
        """The service did not answer; what that means follows from the type of the error."""
        self.trouble(str(error))
        if isinstance(error, SinkUnavailable) and not error.is_service_down:
            self.refused()
        elif isinstance(error, StatementRefused):
            self._is_refused = True
            self.refused()
            self.circuit.refused(error)
        elif isinstance(error, ConnectionLost) and not self._has_lost:
            self._has_lost = True
        else:
            self.failures += 1
            self.circuit.failed(error)

    def refused(self) -> None:
        """The service answered, and refused this loop alone: for all others it is there."""
        self.failures += 1
        self.circuit.succeeded()

    def trouble(self, cause: str) -> None:
        """The loop cannot do what it is there for; until it `succeeded`, that is a trouble."""
        self._is_in_trouble = True
        self._troubles.met(self.part, self.circuit.service, cause)

    def rest(self) -> None:
        """The loop has nothing to do with the service for now; so it has no trouble, either."""
        self._is_in_trouble = False
        self._troubles.over(self.part, self.circuit.service)

    def pause(self, halt: threading.Event) -> None:
        """Wait before the next try, or until `halt` is set. An open breaker paces the tries by itself."""
        if self.failures and self.circuit.is_closed:
            halt.wait(self.backoff.wait_seconds(self.failures))
