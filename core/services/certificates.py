"""Which connections would not notice somebody in between: not encrypted, or with a certificate that nobody looks at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from core.settings.addresses import is_loopback
from rtp_client.redact import redact
from rtp_client.stored_password import split_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.models import Settings

_FALSE = frozenset({"0", "f", "false", "n", "no"})  # as redis-py reads a parameter


def find_unverified(settings: Settings) -> Iterator[str]:
    """A line for each server of another machine whose certificate is not verified, with what mends it."""
    if settings.postgres.dsn:
        yield from _postgres(settings.postgres.dsn)
    if settings.redis.url:
        yield from _redis(settings.redis.url)


def _postgres(dsn: str) -> Iterator[str]:
    # Imported here, as in core/settings/addresses.py.
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    from rtp_client.postgres import address  # noqa: PLC0415

    parts = conninfo_to_dict(split_secret(dsn)[0])
    hosts = str(parts.get("host") or parts.get("hostaddr") or "").split(",")
    mode = str(parts.get("sslmode") or os.environ.get("PGSSLMODE") or "prefer")
    if mode == "verify-full" or all(_is_here(host) for host in hosts):
        return
    what = "checks no host name" if mode == "verify-ca" else "verifies no certificate"
    yield (
        f"PostgreSQL at {address(dsn)}: sslmode={mode} {what}, so another could answer in the server's place. Write"
        " sslmode=verify-full and sslrootcert=<the file of the authorities>"
    )


def _redis(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme == "unix" or _is_here(parts.hostname or ""):
        return
    place = f"Redis at {redact(url)}"
    query = {name: values[-1].lower() for name, values in parse_qs(parts.query).items()}
    if parts.scheme == "redis":
        yield f"{place} is not encrypted: passwords and events can be read on the way. Write rediss:// where it has TLS"
    elif query.get("ssl_cert_reqs", "required") != "required":
        yield f"{place}: ssl_cert_reqs={query['ssl_cert_reqs']} verifies no certificate. Take it out of the address"
    elif query.get("ssl_check_hostname", "true") in _FALSE:
        yield f"{place}: ssl_check_hostname checks no host name. Take it out of the address"


def _is_here(host: str) -> bool:
    """Whether a host is this machine, by its name or as the folder of a socket."""
    return host == "" or host.startswith(("/", "@")) or is_loopback(host)
