"""An error is one line for people, however many its service has written."""

from __future__ import annotations

import pytest

from rtp_client.errors import one_line


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("no answer", "no answer"),
        ("no answer\nwithin 5 s", "no answer within 5 s"),
        ('column "x" does not exist\nLINE 1: SELECT x FROM t\n               ^', 'column "x" does not exist'),
        ("no column\nLINE 1: SELECT x\n               ^\nHINT:  Say y.", "no column HINT: Say y."),
        ("Spalte »x« existiert nicht\nZEILE 1: SELECT x\n                ^", "Spalte »x« existiert nicht"),
        ("no\nLINE 2:  x\n         ^\nQUERY:  SELECT\n  x\nCONTEXT:  SQL function", "no CONTEXT: SQL function"),
        ("no\nLINE 2:  x\n         ^\nQUERY:  SELECT\n  x", "no"),
        ("", "ValueError"),
    ],
)  # fmt: skip
def test_the_statement_that_postgresql_quotes_is_left_out(said: str, line: str) -> None:
    assert one_line(ValueError(said)) == line
