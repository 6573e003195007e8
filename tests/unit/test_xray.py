"""Steps of an invocation, as AWS X-Ray's daemon takes them: a header, and a document, in a UDP packet."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from core.services.xray import subsegment

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8"


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        host, port = listening.getsockname()
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"{host}:{port}")
        yield listening


def received(daemon: socket.socket) -> dict[str, Any]:
    header, _, document = daemon.recv(65_536).partition(b"\n")
    assert json.loads(header) == {"format": "json", "version": 1}
    found: dict[str, Any] = json.loads(document)
    return found


def test_a_step_is_a_subsegment_of_the_invocation(daemon: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"{TRACE};Sampled=1")
    with subsegment("rtp batch") as notes:
        notes["records"] = 3
    found = received(daemon)
    assert (found["trace_id"], found["parent_id"]) == ("1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8")
    assert (found["name"], found["type"], found["annotations"]) == ("rtp batch", "subsegment", {"records": 3})
    assert found["start_time"] <= found["end_time"]
    assert "fault" not in found


def test_a_step_that_fails_is_a_fault_and_its_error_goes_on(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"{TRACE};Sampled=1")
    with pytest.raises(OSError, match="away"), subsegment("rtp batch"):
        raise OSError("away")
    assert received(daemon)["fault"] is True


@pytest.mark.parametrize("header", ["", f"{TRACE};Sampled=0", "Sampled=1", "nonsense"])
def test_an_invocation_that_is_not_traced_sends_nothing(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    with subsegment("rtp batch"):
        pass
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"{TRACE};Sampled=1")
    with subsegment("the next one"):
        pass
    assert received(daemon)["name"] == "the next one"


@pytest.mark.parametrize("address", ["", "nowhere", "127.0.0.1:none"])
def test_a_daemon_that_cannot_be_reached_is_no_matter(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"{TRACE};Sampled=1")
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", address)
    with subsegment("rtp batch") as notes:
        notes["records"] = 1
