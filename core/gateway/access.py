"""Who may come in: the static token, or a token that somebody trusted has signed, and what it allows until when."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt

from core.errors import SettingsError
from core.gateway.reach import EVERYTHING, Reach
from rtp_client.errors import one_line
from rtp_client.secrets import know_secrets

if TYPE_CHECKING:
    from core.settings.serve import JwtSettings, ServeSettings

ACCESS_IS_OVER = "the token is over: get a new one"
_LEEWAY_SECONDS = 5
_CLAIM = "rtp"
_CLAIMED = {"kinds", "chains", "entities"}
_MOST_NAMES = 1000
_FAR_FUTURE = 4_102_444_800  # 2100: a token that ends later ends then
_REREAD_SECONDS = 10.0


class AccessDenied(Exception):
    """Somebody may not come in; the message says why, and holds nothing of the token."""


@dataclass(frozen=True)
class Admission:
    """What somebody may see, and until when (Unix time); None: for as long as they stay."""

    reach: Reach = EVERYTHING
    ends_at: float | None = None


class Gate:
    """Checks tokens. Raises SettingsError where a file of keys cannot be used."""

    def __init__(self, settings: ServeSettings) -> None:
        know_secrets([settings.token, settings.jwt.key if settings.jwt else None])
        self._is_open = not settings.asks_for_token
        self._token = settings.token.encode() if settings.token else None
        self._signed = _SignedTokens(settings.jwt) if settings.jwt else None

    def admit(self, token: str | None) -> Admission:
        """What a token gives. Raises AccessDenied."""
        if self._is_open:
            return Admission()
        if not token:
            raise AccessDenied("a token is needed: Authorization: Bearer …")
        if self._token is not None and secrets.compare_digest(token.encode(), self._token):
            return Admission()
        if self._signed is None:
            raise AccessDenied("this token is not the one that is expected")
        return self._signed.admit(token)


class _SignedTokens:
    def __init__(self, settings: JwtSettings) -> None:
        self._settings = settings
        self._algorithms = list(settings.accepted)
        self._required = ["exp", *(["aud"] if settings.audience else []), *(["iss"] if settings.issuer else [])]
        self._keys = _key_set(settings.jwks_file) if settings.jwks_file else None
        self._keys_read_at = time.monotonic()
        self._key: Any = settings.key
        if settings.key_file:
            self._key = _public_key(settings.key_file, self._algorithms)

    def admit(self, token: str) -> Admission:
        try:
            claims = jwt.decode(
                token,
                self._key_for(token),
                algorithms=self._algorithms,
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": self._required, "verify_aud": self._settings.audience is not None},
            )
        except jwt.ExpiredSignatureError:
            raise AccessDenied(ACCESS_IS_OVER) from None
        except jwt.PyJWTError as error:
            raise AccessDenied(f"the token is not accepted: {_why(error)}") from None
        return Admission(_reach(claims.get(_CLAIM, {})), min(int(claims["exp"]), _FAR_FUTURE) + _LEEWAY_SECONDS)

    def _key_for(self, token: str) -> Any:
        if self._keys is None:
            return self._key
        name = jwt.get_unverified_header(token).get("kid")
        found = _named_key(self._keys, name)
        # Keys are rotated: who signs has a new one, and the file has it by now.
        if found is None and time.monotonic() - self._keys_read_at >= _REREAD_SECONDS:
            self._keys_read_at = time.monotonic()
            try:
                self._keys = _key_set(self._settings.jwks_file or "")
            except SettingsError as error:
                raise AccessDenied("the file of keys cannot be read at the moment") from error
            found = _named_key(self._keys, name)
        if found is None:
            raise AccessDenied("the token is signed with a key that is not in the set")
        return found.key


def _named_key(keys: jwt.PyJWKSet, name: Any) -> jwt.PyJWK | None:
    named = [key for key in keys.keys if name is None or key.key_id == name]
    return named[0] if len(named) == 1 else None


_WHY = {
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.InvalidIssuerError: "somebody else has issued it",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.InvalidAlgorithmError: "its algorithm is none of those that are accepted",
}


def _why(error: jwt.PyJWTError) -> str:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"it has no {error.claim}"
    return next((words for kind, words in _WHY.items() if isinstance(error, kind)), "it cannot be read")


def _reach(claim: Any) -> Reach:
    """What the token's claim narrows. What cannot be understood must not widen anything."""
    if not isinstance(claim, dict) or claim.keys() - _CLAIMED:
        raise AccessDenied(f"the token's claim {_CLAIM} must be an object of {', '.join(sorted(_CLAIMED))}")
    for name, names in claim.items():
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names) or len(names) > _MOST_NAMES:
            raise AccessDenied(f"the token's claim {_CLAIM}.{name} must be a list of names or globs")
    return Reach(**{name: tuple(names) for name, names in claim.items()})


def _read(path: str, key: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SettingsError(f"serve.jwt.{key}: {path} cannot be read: {one_line(error)}") from None


def _public_key(path: str, algorithms: list[str]) -> Any:
    text = _read(path, "key_file")
    if "PRIVATE KEY" in text:
        raise SettingsError(
            f"serve.jwt.key_file: {path} holds a private key", "Give the public one, which checks alone"
        )
    for algorithm in algorithms:
        try:
            return jwt.get_algorithm_by_name(algorithm).prepare_key(text)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    wanted = ", ".join(algorithms)
    raise SettingsError(f"serve.jwt.key_file: {path} holds no public key in PEM for {wanted}")


def _key_set(path: str) -> jwt.PyJWKSet:
    text = _read(path, "jwks_file")
    try:
        keys = jwt.PyJWKSet.from_dict(json.loads(text))
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"serve.jwt.jwks_file: {path} is no set of keys (JWKS): {one_line(error)}") from None
    if any(key.key_type == "oct" for key in keys.keys):
        raise SettingsError(f"serve.jwt.jwks_file: {path} holds a shared key", "Such a key belongs into serve.jwt.key")
    return keys
