"""A secret that was made known is left out of every text of somebody else's, however it is spelt there."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SettingsError
from core.notify.service.stored_addresses import with_stored_addresses
from rtp_client.errors import one_line
from rtp_client.secrets import know_secrets, know_secrets_of, without_secrets
from rtp_client.spellings import any_spelling

MARK = "Zq9k"
secrets = st.text(st.characters(codec="utf-8"), min_size=2, max_size=12).map(lambda text: f"{MARK}{text}{MARK}")


@given(secret=secrets)
def test_it_is_hidden_as_it_is_as_python_writes_it_and_percent_encoded(secret: str) -> None:
    pattern = any_spelling([secret])
    spellings = (secret, repr(secret)[1:-1], repr(secret.encode())[2:-1], quote(secret, safe=""), ascii(secret)[1:-1])
    assert [pattern.sub("", text) for text in spellings] == [""] * len(spellings)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:Vb3%25n8Lq@h/0",
        "redis://Vb3%25n8Lq@h/0",
        "http://u:Vb3%25n8Lq@proxy:8080",
        "redis://h/0?password=Vb3%25n8Lq",
    ],
)
def test_a_password_in_an_address_is_known_as_the_server_gets_it(url: str) -> None:
    know_secrets_of(url)
    assert without_secrets("AUTH Vb3%n8Lq") == "AUTH ***"


def test_a_librarys_words_become_one_line_without_it() -> None:
    know_secrets(["Tok\r\nen-77"])
    assert one_line(ValueError("Invalid header value b'Tok\\r\\nen-77'\nTok\r\nen-77")) == (
        "Invalid header value b'***' ***"
    )


def test_what_is_too_short_to_be_told_from_other_words_stays() -> None:
    know_secrets(["test"])
    assert without_secrets("a test of it") == "a test of it"


def test_addresses_that_are_stored_are_variables_and_what_is_set_counts_more() -> None:
    environ = {"RTP_NOTIFY_SECRET": "team/people", "DESK_URL": "json://set"}
    stored = '{"DESK_URL": "json://stored", "BOSS_URL": "tgram://s3cr3t-token/1", "NOBODY_URL": ""}'
    found = with_stored_addresses(environ, lambda name: stored if name == "team/people" else "")
    assert found == environ | {"BOSS_URL": "tgram://s3cr3t-token/1"}
    assert without_secrets("cannot reach tgram://s3cr3t-token/1") == "cannot reach ***"
    assert with_stored_addresses({"DESK_URL": "json://set"}, lambda _: "no JSON") == {"DESK_URL": "json://set"}


@pytest.mark.parametrize("held", ["hunter2-hunter2", '["json://x"]', '{"DESK_URL": 1}'])
def test_a_secret_that_holds_no_variables_is_one_line_without_what_it_holds(held: str) -> None:
    with pytest.raises(
        SettingsError, match=r"secret team/people, which RTP_NOTIFY_SECRET names, is no JSON"
    ) as failure:
        with_stored_addresses({"RTP_NOTIFY_SECRET": "team/people"}, lambda _: held)
    assert held not in str(failure.value)
