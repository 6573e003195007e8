"""No address that rtp shows holds a password, however badly the address is written."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtp_client.redact import UNREADABLE, redact, shown

# Marked, so that finding it in the output is no coincidence.
passwords = st.text(st.characters(codec="utf-8"), max_size=20).map(lambda text: f"Zq9{text}Zq9")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://rtp:secret@db:5432/defi", "postgresql://rtp:***@db:5432/defi"),
        ("postgresql://rtp@db/defi?sslmode=require", "postgresql://rtp@db/defi?sslmode=require"),
        ("postgresql://rtp:secret@a:1,b:2/defi", "postgresql://rtp:***@a:1,b:2/defi"),
        ("postgresql://rtp:secret@[::1]:5432/defi", "postgresql://rtp:***@[::1]:5432/defi"),
        ("postgresql://%2Frun%2Fpostgresql/defi", "postgresql://%2Frun%2Fpostgresql/defi"),
        ("postgresql://db/defi?user=rtp&password=secret", "postgresql://db/defi?user=rtp&password=***"),
        ("postgresql://db/defi?sslpassword=secret", "postgresql://db/defi?sslpassword=***"),
        ("redis://:secret@cache:6379/0", "redis://:***@cache:6379/0"),
        ("rediss://rtp:secret@cache/0", "rediss://rtp:***@cache/0"),
        ("redis://cache:6379/0", "redis://cache:6379/0"),
        ("unix://rtp:secret@/run/redis.sock?db=1", "unix://rtp:***@/run/redis.sock?db=1"),
        ("http://localhost:4566", "http://localhost:4566"),
        ("host=db port=5432 dbname=defi user=rtp", "host=db port=5432 dbname=defi user=rtp"),
        ("host=db password=secret", "host=db password=***"),
        ("host=db password = 'two words' dbname=defi", "host=db password=*** dbname=defi"),
        (r"password='it\'s secret' host=db", "password=*** host=db"),
        (r"password=two\ words host=db", "password=*** host=db"),
        ("host=db sslpassword=secret", "host=db sslpassword=***"),
        ("", ""),
    ],
)
def test_shows_where_an_address_leads_without_its_password(address: str, expected: str) -> None:
    assert redact(address) == expected


@pytest.mark.parametrize(
    "address",
    [
        "secret",
        "postgresql://rtp:se/cret@db/defi",
        "postgresql://rtp:secret",
        "redis://:se#cret@cache",
        "redis://:se?cret@cache",
        "jdbc:postgresql://db/defi?password=secret",
        "host=db password=my secret",
        "host=db password='secret",
        "host=db password='it's secret'",
        "host=db password=secret\\",
        "://secret",
    ],
)
def test_an_address_that_cannot_be_taken_apart_is_not_shown(address: str) -> None:
    assert redact(address) == UNREADABLE


@pytest.mark.parametrize("separator", ["@", ":", ":@", "@:"])
def test_a_password_with_separators_in_it_is_hidden_whole(separator: str) -> None:
    assert redact(f"postgresql://rtp:se{separator}cret@db/defi") == "postgresql://rtp:***@db/defi"


def test_a_lone_word_before_the_host_is_a_user_only_for_postgresql() -> None:
    assert redact("redis://secret@cache") == "redis://***@cache"


def test_half_a_password_behind_a_raw_ampersand_is_hidden() -> None:
    assert redact("postgresql://db/defi?password=se&cret&cr=et") == "postgresql://db/defi?password=***&***&***"


def test_an_option_that_rtp_does_not_know_is_hidden() -> None:
    assert redact("host=db passwrd=secret") == "host=db ***"


def test_an_address_in_the_place_of_a_host_is_hidden() -> None:
    assert redact("host=postgresql://rtp:secret@db") == "host=***"


@given(passwords)
def test_no_password_before_a_host_gets_through(password: str) -> None:
    assert "Zq9" not in redact(f"postgresql://rtp:{quote(password, safe='')}@db/defi")


@given(passwords)
def test_no_raw_password_before_a_host_gets_through(password: str) -> None:
    assert "Zq9" not in redact(f"redis://rtp:{password}@cache/0")


@given(passwords)
def test_no_password_in_a_query_gets_through(password: str) -> None:
    assert "Zq9" not in redact(f"postgresql://db/defi?password={quote(password, safe='')}&sslmode=require")


@given(passwords)
def test_no_quoted_password_gets_through(password: str) -> None:
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    assert "Zq9" not in redact(f"host=db password='{quoted}' dbname=defi")


@given(passwords)
def test_no_unquoted_password_gets_through(password: str) -> None:
    assert "Zq9" not in redact(f"host=db password={password} dbname=defi")


@given(st.text())
def test_takes_any_text(text: str) -> None:
    assert isinstance(redact(text), str)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", "hello"),
        ("a\nb", r"a\nb"),
        ("\ud800", r"\ud800"),
        ("x" * 61, "x" * 60 + "…"),
        ("redis://:secret@cache", "redis://:***@cache"),
        ("password=two words", UNREADABLE),
        ("password", "password"),
    ],
)
def test_text_in_a_message_is_one_short_line_without_secrets(text: str, expected: str) -> None:
    assert shown(text) == expected
