"""`rtp top` on real servers: straight from Redis and PostgreSQL, and through a gateway."""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import redis
import yaml

from cli.top.terminal import is_textual_there
from cli.top.worlds import world_of, world_of_gateway
from core.demo.tables import create_tables
from core.services.postgres import connect
from core.sinks.settings import load_settings
from rtp_client.keys import STREAM
from tests.board import sitting_at
from tests.command import Command
from tests.eventually import eventually
from tests.gateway import serve_settings, serving
from tests.monitored import monitored
from tests.terminal import closing_the_terminal, run_at_a_terminal
from tests.watching import TVL
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.settings.models import Settings
    from core.stack import EmbeddedStack

PRICES = {
    "kind": "price",
    "table": "public.prices",
    "percent": 1,
    "columns": {"chain": "chain", "token": "token", "value": "price_usd"},
    "overrides": [{"token": "usd*", "peg": {"value": 1, "deviation_bps": 50}}],
}


@dataclass(frozen=True)
class Place:
    """Where rtp has delivered three events, and a gateway serves them."""

    config: Path
    settings: Settings
    gateway: str


@pytest.fixture(scope="module")
def place(stack: EmbeddedStack, module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    config = tmp_path_factory.mktemp("top") / "rtp.yaml"
    config.write_text(yaml.safe_dump({"watches": {"tvl": TVL, "prices": PRICES}}), encoding="utf-8")
    places = {"postgres.dsn": module_database, "redis.url": stack.addresses.redis_url}
    settings = load_settings(config, environ={}, options=places)
    with (
        redis.Redis.from_url(stack.addresses.redis_url) as store,
        closing(connect(module_database, role="test")) as writer,
    ):
        store.flushall()
        create_tables(writer)
        apply(writer, plan_installation(writer, settings))
        with monitored(settings):
            writer.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 100, 'llama'), ('base', 'aave', 7, 'llama')")
            writer.execute("INSERT INTO prices VALUES ('base', 'usdc', 1, 1, 'x'), ('base', 'usdt', 1, 1, 'x')")
            eventually(lambda: _baselines(writer) == 4)
            writer.execute("UPDATE tvl SET tvl_usd = 150 WHERE protocol = 'lido'")
            writer.execute("UPDATE prices SET price_usd = 0.98 WHERE token = 'usdc'")
            eventually(lambda: store.xlen(STREAM) == 2)
    serve = serve_settings(stack.addresses.redis_url).serve
    with serving(settings.model_copy(update={"serve": serve})) as server:
        yield Place(config, settings, server.url)


def _baselines(writer: Any) -> int:
    (found,) = writer.execute("SELECT count(*) FROM rtp.baseline").fetchone()
    return int(found)


@pytest.fixture
def rtp(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


def test_json_tells_what_the_board_shows_straight_and_through_a_gateway(rtp: Command, place: Place) -> None:
    environ = {
        "RTP_REDIS_URL": place.settings.redis.url or "",
        "RTP_POSTGRES_DSN": place.settings.postgres.dsn or "",
    }
    straight = rtp("top", "--json", "-c", str(place.config), environ=environ).document
    through = rtp("top", "--json", "--gateway", place.gateway).document
    moved = [(one["entity"], one["value"], one["change_pct"], one["move_pct_15min"]) for one in straight["movers"]]
    assert moved == [("lido", "150", "50", 50.0), ("usdc", "0.98", "-2", -2.0)]
    assert [(one["entity"], one["distance_bps"], one["is_off"]) for one in straight["pegs"]] == [
        ("usdc", -200.0, True),
        ("usdt", 0.0, False),
    ]
    assert straight["pegs"][0]["off_since"] is not None
    assert straight["troubles"] == ["no rtp run is active: nothing is delivered"]
    assert {part: through[part] for part in ("movers", "pegs")} == {part: straight[part] for part in ("movers", "pegs")}


@pytest.mark.parametrize("way", ["straight", "gateway"])
def test_enter_tells_all_about_an_entity(place: Place, way: str) -> None:
    opening = world_of(place.settings) if way == "straight" else world_of_gateway(place.gateway, None, place.settings)

    async def visit() -> None:
        with opening as world:
            async with sitting_at(world, (100, 50)) as at:
                await at.until("Movers 2", "Pegs 2")
                await at.press("enter")
                await at.until("conclusion")
                assert at.line("A change of 1 % or more since the last event is an event.")
                assert at.lines[0].split()[:4] == ["tvl", "lido", "on", "ethereum"]

    asyncio.run(visit())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "rtp top needs a terminal. rtp tail and rtp status print lines; or ask for --json"),
        (("--json", "--filter", "size:3"), "size: is no part of a filter"),
        (("--json", "--gateway", "ftp://x"), "ftp://x is no address of a gateway or of Redis"),
        (("--json", "--gateway", "http://127.0.0.1:1"), "the gateway at http://127.0.0.1:1"),
        (("--json", "--redis-url", "redis://127.0.0.1:1"), "Redis at redis://127.0.0.1:1"),
    ],
)
def test_what_it_cannot_show_is_one_line(rtp: Command, arguments: tuple[str, ...], complaint: str) -> None:
    done = rtp("top", *arguments)
    assert (done.code, done.out, done.err.splitlines()[0].startswith(complaint)) == (2, "", True)
    assert len(done.err.splitlines()) == 1


def test_without_textual_it_says_how_to_install_it(rtp: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "textual", None)
    done = rtp("top", "--redis-url", "redis://here")
    needs = "the board is drawn with Textual, and what that needs is not installed here"
    assert (done.code, done.err) == (2, f'{needs}. pip install "defi-rtp[tui]"\n')
    assert not is_textual_there()


def test_it_ends_when_its_terminal_is_closed(place: Place) -> None:
    url = place.settings.redis.url or ""
    assert closing_the_terminal("top", "--redis-url", url, environ={}, once="Movers 2") in (0, 130)


def test_the_board_is_drawn_at_the_terminal_wherever_errors_go(place: Place, tmp_path: Path) -> None:
    url = place.settings.redis.url or ""
    with (tmp_path / "errors").open("w+b") as errors:
        seen = run_at_a_terminal("top", "--redis-url", url, environ={}, until="Movers 2", errors=errors)
        errors.seek(0)
        assert ("Movers 2" in seen.plain, seen.is_cursor_shown, errors.read()) == (True, True, b"")
