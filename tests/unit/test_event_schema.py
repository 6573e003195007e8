"""The schema that ships is the model's, and `rtp schema` prints it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.schema import schema
from rtp_client.event import event_schema

SHIPPED = Path(__file__).parents[2] / "rtp_client" / "event.schema.json"


def test_the_shipped_schema_is_the_models() -> None:
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert shipped == event_schema(), "the event has changed: python -m cli schema > rtp_client/event.schema.json"


def test_the_command_prints_it_byte_for_byte(capsys: pytest.CaptureFixture[str]) -> None:
    schema()
    assert capsys.readouterr().out == SHIPPED.read_text(encoding="utf-8")
