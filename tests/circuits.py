"""Circuit breakers for loops that a test starts by itself."""

from __future__ import annotations

from core.services.circuit import CircuitBreaker
from core.settings.models import CircuitBreakerSettings


def quiet_circuit(service: str = "PostgreSQL") -> CircuitBreaker:
    """A breaker that tells nobody, and probes soon."""
    return CircuitBreaker(service, CircuitBreakerSettings(failures=100, open_seconds=0.1), on_problem=lambda _: None)
