"""The tests' forked `rtp` is no other than the one that users start."""

from __future__ import annotations

import signal

import pytest

from tests.rtp_process import rtp


@pytest.mark.parametrize("arguments", [("schema",), ("run", "--speed", "2x")], ids=["a document", "an error"])
def test_it_says_and_ends_as_one_that_is_started(arguments: tuple[str, ...]) -> None:
    ends = []
    for is_started in (True, False):
        with rtp(*arguments, is_started=is_started) as process:
            ends.append((process.end(), process.out, process.err))
    started, forked = ends
    assert forked == started
    assert any(started[1:])


def test_what_kills_it_is_known() -> None:
    with rtp("run", "--for", "60s", environ={"RTP_POSTGRES_DSN": "postgresql://u@192.0.2.1/x"}) as process:
        assert process.end(signal.SIGKILL) == -signal.SIGKILL
