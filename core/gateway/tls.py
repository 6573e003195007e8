"""TLS by the gateway itself."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from core.errors import SettingsError
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from core.settings.serve import TlsSettings


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """The certificate and its key, read. Raises SettingsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except OSError as error:  # SSLError is one
        raise SettingsError(
            f"serve.tls: {settings.certificate} and {settings.key} cannot be used: {one_line(error)}",
            "Give a certificate, with its chain, and its key, both in PEM",
        ) from None
    return context
