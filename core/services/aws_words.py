"""What AWS's client library says, in words that hold no secret.

Its own may quote headers, with the signature or the session token in them, and addresses with a password. So only those
parts of a sentence of botocore's are shown that are known to be harmless, and of AWS's answers the first line.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoRegionError,
    ProfileNotFound,
    SSLError,
)

from rtp_client.errors import SettingsError, one_line
from rtp_client.redact import HIDDEN, redact
from rtp_client.secrets import know_secrets, know_secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.credentials import Credentials

_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
)
_ADDRESSES = re.compile("AWS_ENDPOINT_URL.*|AWS_CONTAINER_CREDENTIALS_.*|[a-z]+_proxy", re.IGNORECASE)
_HARMLESS = frozenset({"provider", "cred_var", "service_name", "operation_name"})
_OWN_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (ProfileNotFound, "AWS_PROFILE names a profile that is not in AWS's own files"),
    (CredentialRetrievalError, "no credentials could be had from {provider}"),
)


def aws_words(error: Exception, *, find_credentials: Callable[[], Credentials | None] = lambda: None) -> str:
    """What went wrong, on one line."""
    _know_secrets_of_aws(find_credentials)
    if isinstance(error, ClientError):
        return one_line(error).partition(" The Canonical String")[0]
    if isinstance(error, HTTPClientError) and isinstance(error.kwargs.get("error"), (ValueError, RuntimeError)):
        return "the request cannot be sent as HTTP: is there a line break in the AWS credentials?"
    if isinstance(error, BotoCoreError):
        return _sentence(error)
    return type(error).__name__


def code_of(error: Exception) -> str:
    """AWS's own word for an error; empty where it said none."""
    found: str = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    return found.rpartition("#")[2].rpartition(".")[2]


def no_client(service: str, error: Exception, *, section: str) -> SettingsError:
    """Why a client of that service cannot be made; `section` is where the settings speak of it."""
    if isinstance(error, BotoCoreError):
        words, remedy = aws_words(error), "Look at the AWS_ variables, and at AWS's own files"
    else:
        words, remedy = "its endpoint is no address", f"Look at {section}.endpoint_url and AWS_ENDPOINT_URL"
    if isinstance(error, NoRegionError):
        remedy = f"Set AWS_REGION or {section}.region"
    return SettingsError(f"{service} cannot be used: {words}", remedy)


def _sentence(error: BotoCoreError) -> str:
    words = next((words for kind, words in _OWN_WORDS if isinstance(error, kind)), error.fmt)
    shown = {name: _shown(name, value) for name, value in error.kwargs.items()}
    if isinstance(error, SSLError):
        shown["error"] = one_line(error.kwargs["error"]) if "error" in error.kwargs else ""
    try:
        return " ".join(words.format(**shown).split())
    except (KeyError, IndexError):
        return type(error).__name__


def _shown(name: str, value: object) -> str:
    if name.endswith("_url"):
        return redact(str(value))
    if name in _HARMLESS:
        return str(value)
    return type(value).__name__ if isinstance(value, Exception) else HIDDEN


def _know_secrets_of_aws(find_credentials: Callable[[], Credentials | None]) -> None:
    know_secrets(os.environ.get(name) for name in _VARIABLES)
    for name, value in os.environ.items():
        if _ADDRESSES.fullmatch(name):
            know_secrets_of(value)
    with suppress(Exception):  # then there are none
        if found := find_credentials():
            known = found.get_frozen_credentials()
            know_secrets([known.secret_key, known.token])
