"""Addresses of servers, made fit for messages and logs: whatever may be a secret becomes `***`.

An address shows only what is known to be harmless. Hiding what looks like a password would leak the mistyped
ones (a raw `&`, `@` or space in a password makes half of it look like something else); so an address that
cannot be taken apart with certainty is not shown at all.
"""

from __future__ import annotations

import re

HIDDEN = "***"
UNREADABLE = "<unreadable address>"

_HOST = r"(?:\[[\w:.%]*\]|[\w.~%-]*)(?::\d{1,5})?"
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?:(?P<userinfo>[^/?#]*)@)?"
    rf"(?P<place>{_HOST}(?:,{_HOST})*(?:/[\w.~%+/-]*)?)"
    r"(?:\?(?P<query>[^#]*))?",
    re.ASCII | re.IGNORECASE,
)
# libpq's grammar: key = value, the value bare or in single quotes, a backslash escapes the next character.
PAIR = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?!')(?:[^\s\\]|\\.)*)(?=\s|$)", re.DOTALL)
_USER = re.compile(r"[\w.%+~@-]*")
_PLAIN_VALUE = re.compile(r"'?[\w.,:/~%+\[\]-]*'?")
_SECRET_KEYS = frozenset({"password", "sslpassword", "secret"})
_POSTGRES_KEYS = (
    "host hostaddr port dbname user sslmode sslrootcert sslcert sslkey connect_timeout application_name "
    "target_session_attrs load_balance_hosts channel_binding gssencmode passfile service keepalives"
)
_REDIS_KEYS = (
    "db protocol client_name ssl_cert_reqs ssl_ca_certs socket_timeout socket_connect_timeout "
    "health_check_interval max_connections virtual_host cluster"
)
_SHOWN_KEYS = frozenset(f"{_POSTGRES_KEYS} {_REDIS_KEYS}".split())


def redact(url_or_dsn: str) -> str:
    """The address without its secrets: `postgresql://rtp:***@db/defi`, `host=db password=***`.

    Takes URLs and PostgreSQL's keyword strings. Never raises; gives `<unreadable address>` where it cannot read.
    """
    if "://" in url_or_dsn:
        url = _URL.fullmatch(url_or_dsn.strip())
        if url:
            return _redacted_url(url)
    return _redacted_pairs(url_or_dsn)


def shown(text: str) -> str:
    """Text from the file, the environment or an option, fit for one line: no secrets, no control characters."""
    if re.search(r"://|@|(?:pass|pwd)\w*\s*=", text, re.IGNORECASE):
        text = redact(text)
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:61])
    return f"{text[:60]}…" if len(text) > 60 else text


def _redacted_url(url: re.Match[str]) -> str:
    userinfo, query = url["userinfo"], url["query"]
    user = "" if userinfo is None else f"{_redacted_userinfo(url['scheme'], userinfo)}@"
    shown = "" if query is None else "?" + "&".join(_redacted_item(item) for item in query.split("&"))
    return f"{url['scheme']}://{user}{url['place']}{shown}"


def _redacted_userinfo(scheme: str, userinfo: str) -> str:
    user, colon, _password = userinfo.partition(":")
    # Only PostgreSQL has users without a password as a matter of course. Elsewhere a lone word before the @
    # is as likely a token, or a password whose colon was forgotten.
    if not colon and (not scheme.lower().startswith("postgres") or "@" in user):
        return HIDDEN
    shown = user if _USER.fullmatch(user) else HIDDEN
    return f"{shown}:{HIDDEN}" if colon else shown


def _redacted_item(item: str) -> str:
    key, equals, value = item.partition("=")
    return _redacted_pair(key, value) if equals else HIDDEN


def _redacted_pair(key: str, value: str) -> str:
    if key in _SHOWN_KEYS and _PLAIN_VALUE.fullmatch(value):
        return f"{key}={value}"
    return f"{key}={HIDDEN}" if key in _SHOWN_KEYS | _SECRET_KEYS else HIDDEN


def _redacted_pairs(dsn: str) -> str:
    shown, position, dsn = [], 0, dsn.strip()
    while position < len(dsn):
        pair = PAIR.match(dsn, position)
        if pair is None:
            return UNREADABLE
        shown.append(_redacted_pair(pair[1], pair[2]))
        position = pair.end()
    return " ".join(shown)
