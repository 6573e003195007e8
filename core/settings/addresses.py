"""Checks of the three kinds of address in the settings.

A check returns the address or raises ValueError. Its message never quotes the address, nor what a parser said
about it: a parser that trips over a mistyped password likes to print the piece it tripped over.
"""

from __future__ import annotations

import ipaddress
import re
from difflib import get_close_matches
from urllib.parse import SplitResult, parse_qs, urlsplit

from rtp_client.stored_password import split_secret

_REDIS_SCHEMES = ("redis", "rediss", "unix")


def postgres_dsn(dsn: str) -> str:
    """A PostgreSQL address as libpq takes it: a URL or `host=… dbname=…`."""
    # Imported here: a Lambda reads settings without a DSN, and its cold start need not pay for psycopg.
    from psycopg import ProgrammingError  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    if not dsn.strip():
        raise ValueError("must not be empty")
    try:
        parts = conninfo_to_dict(split_secret(dsn)[0])
    except ProgrammingError as error:
        raise ValueError(_dsn_complaint(str(error))) from None
    if "@" in str(parts.get("host") or ""):
        raise ValueError("has an @ in its host. In a password write it as %40")
    if not all(_is_port(port) for port in str(parts.get("port") or "").split(",") if port):
        raise ValueError("has a port that is not a number between 1 and 65535")
    return dsn


def _dsn_complaint(libpq_message: str) -> str:
    unknown = re.search(r'(?:option|parameter:?) "([^"]*)"', libpq_message)
    if unknown is None:
        return (
            "is not a PostgreSQL address. Write postgresql://user@host/database or host=… dbname=…, and "
            "percent-encode (URL) or quote (host=… form) special characters in the password"
        )
    # The suggestion is one of libpq's names, so it can be shown; what was written may be part of a password.
    meant = get_close_matches(unknown[1], _libpq_options(), n=1, cutoff=0.75)
    return f"has an unknown option. Did you mean {meant[0]}?" if meant else "has an option PostgreSQL does not know"


def _libpq_options() -> list[str]:
    from psycopg.pq import Conninfo  # noqa: PLC0415

    return [option.keyword.decode() for option in Conninfo.get_defaults()]


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535


def redis_url(url: str) -> str:
    """A Redis address as redis-py takes it."""
    parts = split_address(url, _REDIS_SCHEMES)
    if parts.scheme == "unix":
        if not parts.path.strip("/"):
            raise ValueError("names no socket, e.g. unix:///run/redis/redis.sock")
        return url
    if not parts.hostname:
        raise ValueError("names no host, e.g. redis://localhost:6379/0")
    # redis-py takes any other path for database 0 without a word.
    if not re.fullmatch(r"/?|/[0-9]{1,5}/?", parts.path):
        raise ValueError("must end in a database number or nothing after the host, e.g. redis://localhost:6379/0")
    if "cluster" in (query := parse_qs(parts.query)):
        if query["cluster"] != ["true"]:
            raise ValueError("has a parameter cluster that is not true. Write cluster=true, or leave it out")
        if parts.path.strip("/0"):
            raise ValueError("names a cluster and a database other than 0, which is the only one that a cluster has")
    return url


def http_url(url: str) -> str:
    """The address of an HTTP service other than AWS's own."""
    parts = split_address(url, ("http", "https"))
    if not parts.hostname:
        raise ValueError("names no host, e.g. http://localhost:4566")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password. Credentials come from AWS's own variables")
    if parts.query:
        raise ValueError("must not have anything after a question mark")
    return url


def listening(place: str) -> str:
    """Where a server of rtp's own listens: host:port, an IPv6 address in brackets; port 0 is any free one."""
    if (
        not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}", place)
        or not listening_at(place)[1] <= 65535
    ):
        raise ValueError("must be host:port, e.g. 127.0.0.1:9464")
    return place


def listening_at(place: str) -> tuple[str, int]:
    """Such a place, taken apart."""
    host, _, port = place.rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def split_address(url: str, schemes: tuple[str, ...]) -> SplitResult:
    """An address of one of these schemes, taken apart."""
    # Clients compare the scheme as it is written, so upper case does not pass.
    if url.partition("://")[0] not in schemes or "://" not in url:
        expected = [f"{scheme}://" for scheme in schemes]
        raise ValueError(f"must start with {', '.join(expected[:-1])} or {expected[-1]}")
    if re.search(r"[\s#]", url):
        raise ValueError("holds a space or a #. In a password write them as %20 and %23")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(
            "is not readable as an address. Check the port; percent-encode special characters in the password"
        ) from None
    if port == 0:
        raise ValueError("has a port that is not a number between 1 and 65535")
    return parts
