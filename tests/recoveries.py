"""Ways to recover for loops that a test starts by itself."""

from __future__ import annotations

from core.services.circuit import CircuitBreaker
from core.services.recovery import Recovery
from core.settings.models import CircuitBreakerSettings
from rtp_client.backoff import Backoff


def quiet_recovery(service: str = "PostgreSQL") -> Recovery:
    """Tells nobody, and tries again soon."""
    settings = CircuitBreakerSettings(failures=100, open_seconds=0.1)
    return Recovery(CircuitBreaker(service, settings, on_problem=lambda _: None), Backoff(0.01, 0.1))
