"""A type of sink that rtp has never heard of becomes one of its own by a line in the registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from core.settings.file import default_path
from core.settings.models import Settings, postgres_dsn
from core.sinks import registry
from tests.command import Command
from tests.file_sink import FILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.command import Done

    Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SINK_TYPES", (*registry.SINK_TYPES, FILE))


@pytest.fixture
def delivered(tmp_path: Path) -> Path:
    """Where the sink writes."""
    return tmp_path / "events.jsonl"


@pytest.fixture
def config(tmp_path: Path, delivered: Path) -> Path:
    """The default settings with the file for their only sink."""
    text = default_path().read_text(encoding="utf-8")
    file = tmp_path / "rtp.yaml"
    file.write_text(text.replace("  queue: rtp-alerts.fifo", "") + f"\nfile: {{path: {delivered}}}\n", encoding="utf-8")
    return file


@pytest.fixture
def rtp(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, installed: Settings, config: Path) -> Run:
    command = Command(capsys, monkeypatch)
    return lambda name, *options: command(
        name, *options, "--config", str(config), "--postgres-dsn", postgres_dsn(installed)
    )


def write(connection: psycopg.Connection, entity: str) -> None:
    connection.execute("INSERT INTO tvl VALUES ('ethereum', %s, 100, '')", [entity])
    connection.execute("UPDATE tvl SET tvl_usd = 200 WHERE protocol = %s", [entity])


def entities(file: Path) -> list[str]:
    return [json.loads(line)["data"]["entity"] for line in file.read_text(encoding="utf-8").splitlines()]


def test_run_delivers_to_it(rtp: Run, writer: psycopg.Connection, delivered: Path) -> None:
    write(writer, "lido")
    assert rtp("run", "--until-idle").code == 0
    assert entities(delivered) == ["lido"]


def test_status_shows_how_far_it_is(rtp: Run) -> None:
    rtp("run", "--until-idle")
    assert [(sink["sink"], sink["is_configured"]) for sink in rtp("status", "--json").document["sinks"]] == [
        ("file", True)
    ]


def test_validate_finds_it_well(rtp: Run) -> None:
    assert rtp("validate").code == 0


def test_validate_says_where_it_cannot_be_reached(rtp: Run, delivered: Path) -> None:
    delivered.mkdir()
    done = rtp("validate")
    assert (done.code, "File at" in done.err) == (2, True)


def test_reset_cursor_has_it_deliver_again(rtp: Run, writer: psycopg.Connection, delivered: Path) -> None:
    write(writer, "lido")
    rtp("run", "--until-idle")
    assert rtp("reset-cursor", "--sink", "file", "--to", "earliest").code == 0
    rtp("run", "--until-idle")
    assert entities(delivered) == ["lido", "lido"]


def test_reset_cursor_knows_it_before_it_has_delivered(rtp: Run) -> None:
    assert rtp("reset-cursor", "--sink", "file", "--to", "latest").code == 0


def test_its_variables_reach_its_section(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, installed: Settings, tmp_path: Path
) -> None:
    command, file = Command(capsys, monkeypatch), tmp_path / "elsewhere.jsonl"
    command(
        "validate",
        *("--postgres-dsn", postgres_dsn(installed), "--sqs-queue", "none.fifo"),
        environ={"RTP_FILE_PATH": str(file)},
    )
    assert file.exists()


def test_a_mistake_in_its_section_is_one_line_with_its_place(rtp: Run, config: Path) -> None:
    config.write_text(config.read_text(encoding="utf-8").replace("{path:", "{paht:"), encoding="utf-8")
    done = rtp("validate")
    line = config.read_text(encoding="utf-8").count("\n")
    assert (done.code, done.err) == (2, f"{config}:{line}: file.paht: unknown key. Did you mean path?\n")
