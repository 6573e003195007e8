"""rtp beside its peers: the command as a whole, and what each peer's consumer brings."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.services.postgres import connect
from core.stack.binaries import postgres_folder
from loadtests.benchmarks.peers.__main__ import main
from loadtests.benchmarks.peers.consumers import running
from loadtests.benchmarks.peers.entrants import PEERS
from loadtests.benchmarks.peers.peer import Place
from loadtests.benchmarks.peers.receipts import Inbox, Receipt
from loadtests.benchmarks.peers.workload import WrittenTable
from tests.eventually import eventually
from tests.rtp_process import ROOT

if TYPE_CHECKING:
    from core.stack import EmbeddedStack

UPDATES = 20


@pytest.mark.parametrize("name", ["notify", "outbox", "pgqueuer", "reader"])
def test_a_peers_consumer_brings_every_update(name: str, stack: EmbeddedStack, database: str, tmp_path: Path) -> None:
    peer = PEERS[name]
    place = Place(database, stack.addresses.redis_url, postgres_folder()[0], tmp_path)
    assert peer.missing(place.programs) is None
    writer, inbox, found = WrittenTable(place.dsn, place.programs), Inbox(place.receipts), list[Receipt]()
    writer.create_table()
    peer.install(place)

    def is_awake() -> bool:
        writer.probe()
        return bool(inbox.new())

    def has_all() -> bool:
        found.extend(receipt for receipt in inbox.new() if receipt.entity == "p1")
        return len(found) >= UPDATES

    with running(peer.consumer(place)):
        eventually(is_awake, within_seconds=30)
        started = time.time()
        with connect(database, role="test") as connection:
            for _ in range(UPDATES):
                connection.execute(writer.update("'p1'"))
        eventually(has_all, within_seconds=30)
    assert [receipt.number for receipt in found] == list(range(1, UPDATES + 1))
    assert all(started - 1 < receipt.changed_at <= receipt.received_at for receipt in found)


@pytest.mark.timeout(180)
def test_a_short_run_of_the_command() -> None:
    command = [sys.executable, "-m", "loadtests.benchmarks.peers", "--only", "reader", "--server", "embedded", "--json"]
    command += ["--seconds", "1", "--turns", "1", "--rate", "200"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    bare, reader = document["peers"]
    assert (document["rate"], bare["name"], reader["absent"]) == (200, "bare table", None)
    assert reader["at_rate"]["lost"] == reader["killed"]["lost"] == 0
    assert reader["at_rate"]["written"] > 50
    assert 0 < reader["p50_ms"] <= reader["p99_ms"] <= reader["max_ms"]
    assert reader["events_per_second"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "kafka"), "no peer is called 'kafka'"),
        (("--rate", "fast"), "must be a number between 1 and 100,000, not 'fast'"),
        (("--server", "/nowhere"), "/nowhere holds no postgres"),
    ],
)
def test_wrong_input_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", *arguments])
    with pytest.raises(SystemExit) as ending:
        sys.exit(main())
    assert ending.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
