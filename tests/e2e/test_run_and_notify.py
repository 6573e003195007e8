"""`rtp run --notify`: what a writer commits is told to people by the same process, before it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from cli.demo_notifications import catching
from tests.default_document import default_document
from tests.rtp_process import environ_of, rtp
from tests.tvl_table import write

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from core.settings.models import Settings


def test_until_idle_is_until_people_are_told_too(
    settings: Settings, writer: psycopg.Connection, tmp_path: Path
) -> None:
    write(writer, "100", "200")
    config = tmp_path / "rtp.yaml"
    with catching() as catcher:
        notify = {"notify": [{"name": "desk", "to": catcher.address("desk"), "digest": "1s"}]}
        document = default_document() | notify
        config.write_text(yaml.safe_dump(document), encoding="utf-8")
        arguments = ("run", "--notify", "--until-idle", "--http", "127.0.0.1:0", "-c", str(config))
        with rtp(*arguments, environ=environ_of(settings)) as process:
            assert process.end() == 0, process.err
        (caught,) = catcher.newest_first
    assert "lido TVL rose 100.00%" in f"{caught.title}\n{caught.body}"
    assert caught.destination == "desk"


def test_nobody_to_tell_is_one_line(settings: Settings) -> None:
    with rtp("run", "--notify", environ=environ_of(settings)) as process:
        assert process.end() == 2
        assert process.err == "option --notify: the settings name nobody. Say under `notify` who is to be told\n"
