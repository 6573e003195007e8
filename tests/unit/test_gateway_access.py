"""Which tokens let somebody in, and what they let see."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from core.errors import SettingsError
from core.gateway.access import AccessDenied, Admission, Gate
from core.gateway.reach import EVERYTHING, Reach
from core.settings.serve import ServeSettings
from rtp_client.secrets import without_secrets

SHARED = "k" * 32
NOW, HOURS = int(time.time()), 36_000  # the tests may run long after they were read
CLAIMS = {"exp": NOW + HOURS, "aud": "rtp", "iss": "https://login.example"}


def gate_of(**serve: Any) -> Gate:
    return Gate(ServeSettings.model_validate(serve))


def signed(key: Any = SHARED, algorithm: str = "HS256", headers: dict[str, str] | None = None, **claims: Any) -> str:
    given = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(given, key, algorithm, headers=headers)


def why_not(gate: Gate, token: str | None) -> str:
    with pytest.raises(AccessDenied) as denied:
        gate.admit(token)
    return str(denied.value)


@pytest.fixture(scope="module")
def by_shared_key() -> Gate:
    return gate_of(jwt={"key": SHARED, "audience": "rtp", "issuer": "https://login.example"})


def test_without_a_token_in_the_settings_everybody_on_the_machine_is_let_in() -> None:
    assert gate_of().admit(None) == Admission(EVERYTHING, None)


def test_the_static_token_lets_in_and_no_other_does() -> None:
    gate = gate_of(token="a-token-of-the-desk")
    assert gate.admit("a-token-of-the-desk") == Admission()
    assert why_not(gate, "a-token-of-the-desK") == "this token is not the one that is expected"
    assert why_not(gate, None).startswith("a token is needed")
    assert without_secrets("got a-token-of-the-desk") == "got ***"


def test_a_signed_token_lets_in_until_it_is_over(by_shared_key: Gate) -> None:
    admission = by_shared_key.admit(signed())
    assert admission.reach == EVERYTHING
    assert admission.ends_at is not None
    assert NOW + HOURS <= admission.ends_at <= NOW + HOURS + 10


WRONG = {
    "over": (signed(exp=NOW - 60), "the token is over: get a new one"),
    "endless": (signed(exp=None), "the token is not accepted: it has no exp"),
    "not yet": (signed(nbf=NOW + HOURS), "the token is not accepted: it is not valid yet"),
    "for others": (signed(aud="billing"), "the token is not accepted: it is for another audience"),
    "for nobody": (signed(aud=None), "the token is not accepted: it has no aud"),
    "by others": (signed(iss="https://evil.example"), "the token is not accepted: somebody else has issued it"),
    "forged": (signed("x" * 32), "the token is not accepted: its signature is wrong"),
    "unsigned": (signed("", "none"), "the token is not accepted: its algorithm is none of those that are accepted"),
    "other algorithm": (
        signed("k" * 64, "HS512"),
        "the token is not accepted: its algorithm is none of those that are accepted",
    ),
    "no token": ("hello", "the token is not accepted: it cannot be read"),
    "wide": (signed(rtp={"everything": True}), "the token's claim rtp must be an object of chains, entities, kinds"),
    "text": (signed(rtp={"kinds": "tvl"}), "the token's claim rtp.kinds must be a list of names or globs"),
}


@pytest.mark.parametrize(("token", "why"), WRONG.values(), ids=WRONG)
def test_a_token_that_is_not_right_is_refused_with_the_reason(by_shared_key: Gate, token: str, why: str) -> None:
    assert why_not(by_shared_key, token) == why


def test_a_claim_narrows_what_is_seen(by_shared_key: Gate) -> None:
    reach = by_shared_key.admit(signed(rtp={"kinds": ["price"], "entities": ["usd*"]})).reach
    assert reach == Reach(kinds=("price",), entities=("usd*",))
    assert by_shared_key.admit(signed(rtp={"kinds": []})).reach == Reach(kinds=())


@pytest.fixture(scope="module")
def private_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def public_key(private_key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(private_key.public_key().public_bytes(serialization.Encoding.PEM, form))
    return path


def test_a_public_key_checks_what_its_private_one_has_signed(
    private_key: ec.EllipticCurvePrivateKey, public_key: Path
) -> None:
    gate = gate_of(jwt={"key_file": str(public_key)})
    assert gate.admit(signed(private_key, "ES256")).reach == EVERYTHING
    # Whoever takes the public key for a shared one can sign nothing by it.
    forged = jwt.api_jws.PyJWS().encode(json.dumps(CLAIMS).encode(), SHARED, "HS256")
    assert "algorithm" in why_not(gate, forged)


def jwks_of(key: ec.EllipticCurvePrivateKey, name: str) -> str:
    known: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    return json.dumps({"keys": [known | {"kid": name, "alg": "ES256"}]})


def test_a_set_of_keys_is_read_again_where_a_token_names_a_new_one(
    private_key: ec.EllipticCurvePrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(jwks_of(private_key, "old"))
    gate = gate_of(jwt={"jwks_file": str(path)})
    assert gate.admit(signed(private_key, "ES256", {"kid": "old"})).reach == EVERYTHING
    new = ec.generate_private_key(ec.SECP256R1())
    token = signed(new, "ES256", {"kid": "new"})
    assert why_not(gate, token) == "the token is signed with a key that is not in the set"
    path.write_text(jwks_of(new, "new"))
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert gate.admit(token).reach == EVERYTHING


def test_a_file_that_holds_no_key_is_one_line(tmp_path: Path, public_key: Path) -> None:
    def complaint(**written: Any) -> str:
        with pytest.raises(SettingsError) as refused:
            gate_of(jwt=written)
        return str(refused.value)

    private, nothing = tmp_path / "private.pem", tmp_path / "nothing.pem"
    private.write_text("-----BEGIN PRIVATE KEY-----")
    nothing.write_text("nothing")
    for complaint_of, words in (
        ({"key_file": str(private)}, "holds a private key"),
        ({"key_file": str(nothing)}, "holds no public key in PEM for RS256, ES256, EdDSA"),
        ({"key_file": str(tmp_path / "away.pem")}, "cannot be read"),
        ({"jwks_file": str(public_key)}, "is no set of keys (JWKS)"),
    ):
        told = complaint(**complaint_of)
        assert words in told
        assert "\n" not in told
