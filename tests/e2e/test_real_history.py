"""Real history from end to end: what `rtp run --demo --feed` shows is what core.detection finds in the same file.

For each change, that is the beginning of each history; by `make test-long`, the whole.
The histories lie next to the repository, or where RTP_SHARED_DATA says. rtp works without them.
"""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.demo.change import ProtocolChange
from core.demo.replay import FeedFile
from core.detection.backtest import Backtest, choose_watch, new_tally
from core.detection.detector import Detector
from core.detection.history import FileHistory
from core.detection.report import amount_text
from core.settings.file import default_path
from core.sinks.settings import load_settings
from tests.effort import IS_LONG
from tests.leftovers import own_place
from tests.rtp_process import ROOT, rtp

pytestmark = pytest.mark.timeout(120)

SHARED_DATA = Path(os.environ.get("RTP_SHARED_DATA") or ROOT.parent / "shared" / "data")
PEG = "    overrides:\n      - {chain: chainlink, percent: 0.5, peg: {value: 1.0, deviation_bps: 50}}\n"

Told = tuple[str, str, str | None, str | None, str]
"""An event: chain, entity, previous, current, reason."""


def real(name: str) -> Path:
    path = SHARED_DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is not here: the product works without it")
    return path


def beginning(path: Path, rows: int) -> list[str]:
    """The header and these rows of a file; all of them, if there is time."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines if IS_LONG else lines[: 1 + rows]


@dataclass(frozen=True)
class Replay:
    """A history as it was replayed, the settings for it, and what was shown."""

    feed: Path
    config: Path
    documents: list[Any]
    code: int

    def told(self, what: str) -> list[Told]:
        """The events or alerts that were shown, in order."""
        found = [document[what]["data"] for document in self.documents if what in document]
        return [(d["chain"], d["entity"], d["previous"], d["current"], d["reason"]) for d in found]


def replay(feed: Path, config: Path) -> Replay:
    with (
        own_place() as place,
        rtp(
            *("run", "--demo", "--config", str(config), "--feed", str(feed)),
            *("--speed", "max", "--until-idle", "--json"),
            environ=place.environ,
        ) as process,
    ):
        code = process.process.wait(100)
        return Replay(feed, config, process.documents, code)


# USDC through two depegs: every round of Chainlink's feed to March 2023, and a DEX's price in spring 2024.


@pytest.fixture(scope="module")
def usdc(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    folder = tmp_path_factory.mktemp("usdc")
    feed, config = folder / "usdc.csv", folder / "rtp.yaml"
    rounds = real("price_chainlink_usdc_usd_rounds_2022-11_2023-03.csv").read_text(encoding="utf-8").splitlines()
    quotes = beginning(real("stablecoin_prices_15min_2024.csv"), 200)
    answers = csv.DictReader(line for line in rounds if not line.startswith("#"))
    chainlink = [f"{row['updatedAt']},usdc,chainlink,{int(row['answer']) / 10**8:.8f}" for row in answers]
    feed.write_text("\n".join([quotes[0], *chainlink, *quotes[1:]]) + "\n", encoding="utf-8")
    config.write_text(
        re.sub(r"(    percent: 0\.1\n)", rf"\1{PEG}", default_path().read_text(encoding="utf-8")), encoding="utf-8"
    )
    return replay(feed, config)


def prices_found_by_the_detector(usdc: Replay) -> list[Told]:
    _, watch = choose_watch(load_settings(usdc.config, environ={}, options={}), None, kind="price")
    detector = Detector(watch)
    found = []
    for row in FileHistory.open(usdc.feed).rows():
        assert row is not None
        (chain, token), sample = row
        if report := detector.feed(chain, token, sample):
            found.append((chain, token, amount_text(report.previous), amount_text(report.current), str(report.reason)))
    return found


def test_the_replay_of_usdc_ends_well(usdc: Replay) -> None:
    assert usdc.code == 0


def test_the_triggers_tell_of_usdc_what_the_detector_tells(usdc: Replay) -> None:
    assert usdc.told("event") == prices_found_by_the_detector(usdc)


def test_every_event_of_usdc_is_an_alert(usdc: Replay) -> None:
    assert sorted(usdc.told("alert")) == sorted(usdc.told("event"))


def test_the_backtest_of_usdc_counts_what_was_shown(usdc: Replay) -> None:
    _, watch = choose_watch(load_settings(usdc.config, environ={}, options={}), None, kind="price")
    backtest = Backtest([new_tally("rtp.yaml", "prices", watch)])
    backtest.run(FileHistory.open(usdc.feed).rows())
    assert backtest.tallies[0].events == len(usdc.told("event"))


def test_the_depeg_of_march_2023_is_told_with_its_way_down(usdc: Replay) -> None:
    prices = [float(current or 0) for chain, _, _, current, reason in usdc.told("event") if chain == "chainlink"]
    reasons = {reason for chain, *_, reason in usdc.told("event") if chain == "chainlink"}
    assert ("depeg" in reasons, min(prices)) == (True, 0.88)


# Every protocol that DefiLlama listed.


@pytest.fixture(scope="module")
def protocols(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    feed = tmp_path_factory.mktemp("protocols") / "protocols.csv"
    feed.write_text("\n".join(beginning(real("protocols_2024.csv"), 500)) + "\n", encoding="utf-8")
    return replay(feed, default_path())


def test_every_real_protocol_is_an_event(protocols: Replay) -> None:
    changes = [change for step in FeedFile.open(protocols.feed).steps() for change in step.changes]
    added = {change.protocol for change in changes if isinstance(change, ProtocolChange)}
    shown = [(entity, reason) for _, entity, _, _, reason in protocols.told("event")]
    assert sorted(shown) == sorted((protocol, "added") for protocol in added)


def test_every_real_protocol_is_an_alert(protocols: Replay) -> None:
    assert sorted(protocols.told("alert"), key=str) == sorted(protocols.told("event"), key=str)


def test_the_replay_of_the_protocols_ends_well(protocols: Replay) -> None:
    assert protocols.code == 0
