"""Addresses of people that AWS Secrets Manager keeps, as variables of the environment: RTP_NOTIFY_SECRET names it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from core.errors import SettingsError
from rtp_client.secrets import know_secrets
from rtp_client.stored_password import read_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VARIABLE = "RTP_NOTIFY_SECRET"


def with_stored_addresses(environ: Mapping[str, str], read: Callable[[str], str] = read_secret) -> Mapping[str, str]:
    """The environment with the variables that the secret holds, where it names one. What is set counts more.

    Raises SecretUnavailable, and SettingsError where the secret is no JSON document of variables.
    """
    secret = environ.get(VARIABLE, "").strip()
    if not secret:
        return environ
    try:
        held: Any = json.loads(read(secret))
    except ValueError:
        held = None
    if not isinstance(held, dict) or not all(isinstance(text, str) for text in held.values()):
        raise SettingsError(
            f"secret {secret}, which {VARIABLE} names, is no JSON object of variables and what each holds",
            'Write {"DESK_URL": "tgram://…"}',
        )
    know_secrets(held.values())
    return {name: text for name, text in held.items() if text} | dict(environ)
