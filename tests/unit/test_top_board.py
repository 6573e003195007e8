"""`rtp top`: what is on the board, and what its keys and the mouse do."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from rich.text import Text

from cli.top.sinks import RtpState, SinkRow
from cli.top.world import Details, Liveness, Notice
from core.errors import UnknownEntity
from tests.board import STATE, a_price, seat, sitting
from tests.samples import NOON, make_event

if TYPE_CHECKING:
    from cli.top.market import EntityKey

pytestmark = pytest.mark.no_cover  # Textual takes three times as long when it is followed

LIDO = make_event(1, "lido", previous="100", current="103", change_pct="3", severity="warning")
AAVE = make_event(2, "aave-v3", chain="base", previous="50", current="49", change_pct="-2", confidence=0.75)
USDC = a_price(3, "usdc", "0.994", "-0.6", previous="1", reason="depeg", severity="critical", detected_at=NOON)
USDT = a_price(4, "usdt", "1.0012", "0.12", previous="1")
AUDITED = make_event(
    5, "ondo", kind="protocol", previous=None, current=None, change_pct=None, reason="changed", severity="info",
    fields='{"audits": {"previous": 3, "current": 4}}',
)  # fmt: skip
ALL = (LIDO, AAVE, USDC, USDT, AUDITED)


@sitting
async def test_80_columns_show_movers_pegs_events_and_sinks_at_once() -> None:
    async with seat((80, 24)) as at:
        await at.tell(*ALL, STATE)
        assert at.lines[0].split() == ["rtp", "●", "live", "redis://here", "5", "events,", "5/s"]
        movers = [row.split() for row in at.part("Movers")]
        assert movers[0] == ["lido", "tvl", "ethereum", "$103.00", "+3.00%", "+3.00%", "▁█", "warn", "1.00", "10s"]
        assert [row[0] for row in movers] == ["lido", "aave-v3", "usdc", "usdt"]
        assert [row.split()[:4] for row in at.part("Pegs")] == [
            ["usdc", "ethereum", "$0.994", "1"],
            ["usdt", "ethereum", "$1.0012", "1"],
        ]
        assert "-60.0 " in at.part("Pegs")[0]
        assert at.part("Pegs")[1].endswith("+12.0 on peg")
        newest = at.part("Events")[0].split()
        assert newest[1:] == ["protocol", "ethereum", "ondo", "info", "audits:", "3", "→", "4"]
        assert [row.split() for row in at.part("Sinks")[:2]] == [
            ["redis", "running", "12", "2.5", "8.2", "0", "4,711", "0"],
            ["sqs", "running", "9", "–", "–", "250", "·", "1m", "4,461", "2"],
        ]
        assert all(len(line) <= 80 for line in at.lines)


@sitting
async def test_a_wide_terminal_has_movers_beside_pegs_and_sinks_and_a_resize_moves_them() -> None:
    async with seat((140, 44)) as at:
        await at.tell(*ALL, STATE)
        assert "Pegs 2" in at.line("Movers 4")
        assert at.line("Events").startswith("Events")
        await at.pilot.resize_terminal(80, 24)
        assert (await at.until_shown("Sinks"))[0].startswith("redis")
        assert at.line("Pegs 2").startswith("Pegs 2")


@sitting
async def test_a_filter_works_while_it_is_written_and_tells_what_it_does_not_know() -> None:
    async with seat() as at:
        await at.tell(*ALL)
        await at.press("slash", "q")
        assert at.part("Movers") == []
        await at.write("kind:price usdt")
        assert [row.split()[0] for row in at.part("Movers")] == ["usdt"]
        assert [row.split()[3] for row in at.part("Events")] == ["usdt"]
        await at.write("kind:price size:3")
        assert at.line("size: is no part of a filter")
        await at.press("escape", "escape")
        assert len(at.part("Movers")) == 4


@sitting
async def test_pause_holds_what_is_shown_and_loses_nothing() -> None:
    async with seat() as at:
        await at.tell(LIDO)
        await at.press("p")
        await at.tell(AAVE, USDC)
        assert "PAUSED, 2 new" in at.lines[0]
        assert [row.split()[0] for row in at.part("Movers")] == ["lido"]
        await at.press("p")
        assert [row.split()[0] for row in at.part("Movers")] == ["lido", "aave-v3", "usdc"]


@sitting
async def test_movers_are_sorted_by_a_key_and_by_a_click_on_a_head() -> None:
    async with seat() as at:
        await at.tell(LIDO, AAVE, USDC)
        await at.press("s", "s", "s")
        assert "sev▼" in at.line("Movers")
        assert [row.split()[0] for row in at.part("Movers")] == ["usdc", "lido", "aave-v3"]
        await at.pilot.click("#movers", offset=(2, 0))
        await at.tell()
        assert [row.split()[0] for row in at.part("Movers")] == ["aave-v3", "lido", "usdc"]
        await at.pilot.click("#movers", offset=(2, 0))
        await at.tell()
        assert [row.split()[0] for row in at.part("Movers")] == ["usdc", "lido", "aave-v3"]


@sitting
async def test_a_row_stays_chosen_wherever_it_moves_and_enter_tells_all_about_it() -> None:
    def details(key: EntityKey) -> Details:
        return Details(Text(f"all about {key.entity} on {key.chain}"))

    async with seat(details=details) as at:
        await at.tell(LIDO, AAVE)
        await at.press("down", "down")
        await at.tell(make_event(6, "aave-v3", chain="base", previous="49", current="60", change_pct="22.4"))
        await at.press("enter")
        await at.board.workers.wait_for_complete()
        await at.tell()
        assert at.lines[0].split() == ["tvl", "aave-v3", "on", "base", "$60.00"]
        assert at.line("all about aave-v3 on base")
        await at.press("escape")
        assert at.line("Movers 2")


@sitting
async def test_of_an_entity_that_rtp_does_not_know_the_board_still_shows_its_events() -> None:
    def details(key: EntityKey) -> Details:
        raise UnknownEntity(f"no watch of kind tvl has ever seen {key.entity}")

    async with seat(details=details) as at:
        await at.tell(LIDO)
        await at.pilot.click("#events", offset=(3, 1), times=2)
        await at.board.workers.wait_for_complete()
        await at.tell()
        assert at.line("no watch of kind tvl has ever seen lido")
        assert at.line("lido", "deviation")


@sitting
async def test_zoom_gives_all_room_to_one_part_and_leaves_the_sinks() -> None:
    async with seat() as at:
        await at.tell(*ALL, STATE)
        await at.press("tab", "z")
        heads = [line.split()[0] for line in at.lines if line.startswith(("Movers", "Pegs", "Events", "Sinks"))]
        assert heads == ["Pegs", "Sinks"]
        await at.press("escape")
        assert at.line("Movers 4")


@sitting
async def test_what_is_in_the_way_and_a_lost_connection_are_always_seen() -> None:
    async with seat() as at:
        await at.tell(RtpState((SinkRow("sqs", "waiting", 9, 12.0, 0),), ("circuit open: SQS does not answer",)))
        await at.tell(Notice("Redis at redis://here does not answer; trying again"), Liveness(is_live=False))
        assert at.line("circuit open: SQS does not answer")
        assert "● lost" in at.lines[0]
        await at.tell(Notice("Redis answers again"), Liveness(is_live=True))
        assert "● live" in at.lines[0]


@sitting
async def test_names_from_data_do_not_act_on_the_terminal() -> None:
    async with seat() as at:
        await at.tell(make_event(1, "[red]a\x1b[2Jb", chain="\u202eeth"))
        assert at.part("Movers")[0].split()[0] == "[red]a�[2Jb"
        assert at.part("Movers")[0].split()[2] == "�eth"


@sitting
async def test_help_tells_the_keys_and_the_board_ends_when_it_is_over() -> None:
    over: list[bool] = []
    async with seat(is_over=lambda: bool(over)) as at:
        await at.press("question_mark")
        assert at.line("pause: hold what is shown")
        await at.press("escape")
        over.append(True)
        at.board.turn()
        assert at.board.return_code == 0


@sitting
async def test_a_turn_that_comes_as_the_board_has_ended_does_nothing() -> None:
    async with seat() as at:
        pass
    at.board.turn()


@sitting
async def test_a_price_that_has_left_its_peg_is_off_since_then() -> None:
    left = NOON - timedelta(hours=2)
    depeg = a_price(1, "usdc", "0.994", "-0.6", previous="1", reason="depeg", changed_at=left)
    async with seat() as at:
        await at.tell(depeg)
        assert at.part("Pegs")[0].endswith(f"-60.0 {left.astimezone():%H:%M} 2h")
        await at.tell(a_price(2, "usdc", "0.999", "0.5", previous="0.994", reason="repeg"))
        assert at.part("Pegs")[0].endswith("-10.0 on peg")
