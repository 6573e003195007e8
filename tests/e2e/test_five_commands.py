"""From nothing to events of one's own: the README's five commands, as they stand there."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.command import Command
from tests.effort import IS_LONG
from tests.rtp_process import ROOT, rtp

if TYPE_CHECKING:
    from pathlib import Path

SECTION = (ROOT / "README.md").read_text("utf-8").partition("## Use it on your own database\n\n```sh\n")[2]
TYPED = [line.partition(" #")[0].strip() for line in SECTION.partition("```")[0].splitlines()]
TABLE = """
CREATE TABLE pool_yields (pool text, network text, apy numeric, "updatedAt" timestamptz, PRIMARY KEY (pool, network));
INSERT INTO pool_yields VALUES ('usdc', 'base', 4.2, now()), ('eth', 'base', 2.1, now()), ('dai', 'base', 5.5, now());
"""


def arguments(typed: str, folder: Path) -> list[str]:
    """What is typed behind `rtp`, in another folder than that of the settings file."""
    return [part.replace("rtp.yaml", str(folder / "rtp.yaml")) for part in shlex.split(typed)[1:]]


def test_they_are_five_and_short() -> None:
    addresses, install, *others = TYPED
    assert (addresses[:6], install) == ("export", "make install")
    assert [re.sub(r"^.venv/bin/rtp ([a-z-]+).*", r"\1", line) for line in others] == [
        "init",
        "install-triggers",
        "run",
        "tail",
    ]
    assert len("\n".join(TYPED)) < 400


def test_they_lead_to_the_first_event_and_each_says_what_comes_next(
    database: str, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(TABLE.encode())
    environ = {"RTP_POSTGRES_DSN": database, "RTP_REDIS_URL": redis_url}
    _, _, init, install_triggers, run, tail = TYPED
    command, begun = Command(capsys, monkeypatch), time.monotonic()
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))  # Enter takes the proposal
    initialised = command(*arguments(init, tmp_path), "--output", str(tmp_path / "rtp.yaml"), environ=environ)
    assert f"  rtp install-triggers --config {tmp_path / 'rtp.yaml'} " in initialised.out
    installed = command(*arguments(install_triggers, tmp_path), environ=environ)
    assert installed.out.endswith(f"\nNext: rtp run --config {tmp_path / 'rtp.yaml'}\n")
    with rtp(*arguments(run, tmp_path), "--for", "60s", environ=environ) as running:
        running.wait_for(f"Next, in another terminal: rtp tail --config {tmp_path / 'rtp.yaml'}")
        with rtp(*arguments(tail, tmp_path), "--json", "--count", "1", "--since", "0", environ=environ) as tailing:
            with psycopg.connect(database, autocommit=True) as writer:
                writer.execute("UPDATE pool_yields SET apy = 6.3 WHERE pool = 'usdc'")
            assert tailing.end() == 0
            [event] = tailing.documents
    assert event["subject"] == "base/usdc"
    assert time.monotonic() - begun < 60  # of five minutes: all but the installation


@pytest.mark.skipif(not IS_LONG, reason="an installation takes most of a minute: make test-long")
def test_the_installation_says_how_far_it_is(tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tmp_path / "rtp")], check=True)
    begun = time.monotonic()
    done = subprocess.run(["make", "install"], cwd=tmp_path / "rtp", capture_output=True, text=True, check=True)
    assert re.findall(r"^\[(\d)/4\]", done.stdout, re.MULTILINE) == ["1", "2", "3", "4"]
    assert re.search(r"20 of \d+ packages are here", done.stdout)
    assert done.stdout.endswith(": .venv/bin/rtp init\n")
    assert time.monotonic() - begun < 240
