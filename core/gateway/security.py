"""What must be in order before anybody is let in: also for `rtp validate`, which opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.gateway.access import Gate
from core.gateway.tls import server_context

if TYPE_CHECKING:
    import ssl

    from core.settings.serve import ServeSettings


def security_of(settings: ServeSettings) -> tuple[Gate, ssl.SSLContext | None]:
    """Who checks tokens, and the certificate, if there is one. Raises SettingsError."""
    if settings.is_public and not settings.asks_for_token:
        raise SettingsError(
            f"serve.listen: {settings.listen} is open to other machines, and anybody there could read everything",
            "Set RTP_SERVE_TOKEN or serve.jwt, or listen on 127.0.0.1",
        )
    return Gate(settings), server_context(settings.tls) if settings.tls else None
