"""Passwords that AWS Secrets Manager keeps: read when a connection is made, and again when a server refuses one.

An address says where its password is: `rediss://host:6379/0?secret=prod/redis`, by the secret's name or ARN. So a
password that is rotated is the new one's with the next connection; those that are there stay, as servers keep them.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from rtp_client.errors import RtpError
from rtp_client.redact import PAIR
from rtp_client.secrets import know_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

_KEY = "secret"
_WAIT_SECONDS = 3


class SecretUnavailable(RtpError):
    """A password could not be read from where it is kept."""


@dataclass(frozen=True)
class Login:
    """Who logs in; `user` is None where the secret names nobody, and the address does or nobody need be named."""

    user: str | None
    password: str


class StoredPassword:
    """One secret. Any thread may use it."""

    def __init__(self, secret: str, read: Callable[[str], str]) -> None:
        self._secret = secret
        self._read = read
        self._lock = threading.Lock()
        self._login: Login | None = None

    def login(self) -> Login:
        """What the secret held when it was last read. Raises SecretUnavailable."""
        with self._lock:
            if self._login is None:
                self._login = self._read_anew()
            return self._login

    def has_other_than(self, refused: Login) -> bool:
        """Whether there is another login than the one that a server has refused. Raises SecretUnavailable."""
        with self._lock:
            if self._login == refused:
                self._login = self._read_anew()
            return self._login != refused

    def _read_anew(self) -> Login:
        login = _login_in(self._secret, self._read(self._secret))
        know_secrets([login.password])
        return login


@cache
def stored_password(secret: str) -> StoredPassword:
    """The password that this secret of AWS Secrets Manager holds."""
    return StoredPassword(secret, read_secret)


def split_secret(address: str) -> tuple[str, str | None]:
    """An address (a URL, or PostgreSQL's `key=value` form) without its secret's name, and that name."""
    if "://" in address:
        place, _, query = address.partition("?")
        items = query.split("&") if query else []
        names = [unquote(item.partition("=")[2]) for item in items if item.startswith(f"{_KEY}=")]
        others = [item for item in items if not item.startswith(f"{_KEY}=")]
        return (f"{place}?{'&'.join(others)}" if others else place) if names else address, names[-1] if names else None
    pairs = list(PAIR.finditer(address))
    names = [pair[2].strip("'") for pair in pairs if pair[1] == _KEY]
    if not names:
        return address, None
    return " ".join(pair[0].strip() for pair in pairs if pair[1] != _KEY), names[-1]


def with_secret(address: str, secret: str) -> str:
    """An address that says which secret holds its password."""
    if "://" in address:
        return f"{address}{'&' if '?' in address else '?'}{_KEY}={quote(secret, safe=':/')}"
    return f"{address} {_KEY}='{secret}'"


def _login_in(secret: str, text: str) -> Login:
    """What a secret says: a password, or JSON as RDS and ElastiCache write it, with `password` and `username`."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return Login(None, text.strip())
    if not isinstance(found.get("password"), str):
        raise SecretUnavailable(f"secret {secret} holds JSON without a `password`")
    user = found.get("username")
    return Login(user if isinstance(user, str) and user else None, found["password"])


def read_secret(secret: str) -> str:
    """What a secret of AWS Secrets Manager holds, by its name or ARN. Raises SecretUnavailable."""
    try:
        import boto3  # noqa: PLC0415 - an extra, and slow to import
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    except ImportError:
        raise SecretUnavailable(
            f"secret {secret} is in AWS Secrets Manager, and boto3 is missing", "pip install 'defi-rtp[aws]'"
        ) from None
    parts = secret.split(":")
    region = parts[3] if secret.startswith("arn:") and len(parts) > 3 else None
    config = Config(connect_timeout=_WAIT_SECONDS, read_timeout=_WAIT_SECONDS, retries={"total_max_attempts": 2})
    try:
        client = boto3.client("secretsmanager", region_name=region, config=config)
        return str(client.get_secret_value(SecretId=secret)["SecretString"])
    except ClientError as error:
        # Only the code: the message may repeat the request.
        raise SecretUnavailable(f"secret {secret} cannot be read: {error.response['Error']['Code']}") from None
    except (BotoCoreError, KeyError, ValueError) as error:
        raise SecretUnavailable(f"secret {secret} cannot be read: {type(error).__name__}") from None
