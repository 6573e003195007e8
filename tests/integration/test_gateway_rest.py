"""REST of the gateway: what it answers, what a token narrows, and what it answers where PostgreSQL is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import jsonschema
import jwt
import psycopg
import pytest
import redis
import yaml

from core.demo.tables import create_tables
from core.gateway.server import GatewayServer
from core.services.postgres import connect
from core.settings.models import PostgresSettings, Settings, postgres_dsn
from core.settings.serve import ServeSettings
from core.sinks.settings import load_settings
from core.stack import EmbeddedStack
from rtp_client.keys import STREAM, cache_key
from tests.eventually import eventually
from tests.gateway import serving
from tests.monitored import monitored
from tests.rest_client import answer
from tests.rest_client import ask as ask_for
from tests.watching import TVL
from triggers.installer import apply, plan_installation

PEG = {"value": 1, "deviation_bps": 50}
PRICES = {
    "kind": "price",
    "table": "price_history",
    "shape": "history",
    "percent": 1,
    "columns": {"chain": "chain", "token": "token", "value": "usd", "changed_at": "at", "provenance": "feed"},
    "overrides": [{"token": "usd*", "peg": PEG}],
}
PROTOCOLS = {"kind": "protocol", "table": "protocols", "columns": {"protocol": "protocol"}, "watched": ["name"]}
WATCHES = {"tvl": TVL, "prices": PRICES, "protocols": PROTOCOLS}
UNCOMPARED = {"max_staleness": {"price": "0s"}}
"""The cache keeps the value of the last event, as nobody compares it with the table."""
KEY = "a key of thirty-two bytes or more"
STRANGE = "a/b:c %?"
DELIVERED = 5

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def served(stack: EmbeddedStack, module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings whose database and Redis have seen events of two kinds; no rtp runs any more."""
    path = tmp_path_factory.mktemp("rest") / "rtp.yaml"
    document = {"watches": WATCHES, "serve": {"listen": "127.0.0.1:0"}, "redis": {"cache": UNCOMPARED}}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    places = {"postgres.dsn": module_database, "redis.url": stack.addresses.redis_url}
    settings = load_settings(path, environ={}, options=places)
    with (
        redis.Redis.from_url(stack.addresses.redis_url) as store,
        closing(connect(module_database, role="test")) as writer,
    ):
        store.flushall()
        create_tables(writer)
        writer.execute("CREATE TABLE price_history (chain text, token text, usd numeric, at timestamptz, feed text)")
        apply(writer, plan_installation(writer, settings))
        with monitored(settings):
            _write(writer)
            eventually(lambda: store.xlen(STREAM) == DELIVERED)
    yield settings


def _write(writer: psycopg.Connection) -> None:
    """Two changes of TVL, a price that leaves its peg in steps of a minute, one that has none, and metadata."""
    for name, values in {"lido": (100, 150), STRANGE: (7, 9)}.items():
        for value in values:
            writer.execute(
                "INSERT INTO tvl VALUES ('ethereum', %s, %s, 'llama') ON CONFLICT (chain, protocol)"
                " DO UPDATE SET tvl_usd = excluded.tvl_usd",
                [name, value],
            )
    start = writer.execute("SELECT now() - interval '10 min'").fetchone()
    assert start is not None
    for token, prices in {"usdc": ("1", "0.999", "0.99", "0.985"), "eth": ("2000", "2100")}.items():
        for minute, price in enumerate(prices):
            writer.execute(
                "INSERT INTO price_history VALUES ('base', %s, %s, %s, 'oracle')",
                [token, price, start[0] + timedelta(minutes=minute)],
            )
    writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('lido', 'Lido', 'llama')")


@pytest.fixture(scope="module")
def server(served: Settings) -> Iterator[GatewayServer]:
    with serving(served) as running:
        eventually(lambda: ask_for(running, "/readyz")[0] == 200)
        yield running


def away_from(served: Settings, **serve: Any) -> Settings:
    """The same, without a PostgreSQL that answers."""
    away = PostgresSettings(dsn="postgresql://rtp@127.0.0.1:1/nowhere", connect_timeout_seconds=1)
    return served.model_copy(update={"postgres": away, "serve": ServeSettings.model_validate(serve)})


@pytest.fixture(scope="module")
def lonely(served: Settings) -> Iterator[GatewayServer]:
    """A gateway of the same Redis whose PostgreSQL does not answer, and that asks for tokens."""
    serve = {"listen": "127.0.0.1:0", "jwt": {"key": KEY}}
    with serving(away_from(served, **serve)) as running:
        eventually(lambda: ask_for(running, "/readyz")[0] == 200)
        yield running


@pytest.fixture
def ask(server: GatewayServer) -> Ask:
    """A path's answer, which is one."""
    return lambda path: answer(server, path)


@pytest.fixture
def ask_lonely(lonely: GatewayServer) -> Ask:
    """The same of the gateway without PostgreSQL, with a token of these claims."""
    return lambda path, **reach: answer(lonely, path, Authorization=f"Bearer {token(**reach)}")


def token(**reach: Sequence[str]) -> str:
    return jwt.encode({"exp": time.time() + 600, "rtp": reach}, KEY, "HS256")


def path_of(kind: str, chain: str, entity: str) -> str:
    return "/v1/entities/" + "/".join(quote(part, safe="") for part in (kind, chain, entity))


USDC = path_of("price", "base", "usdc")


# The description


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/entities", 200),
        ("/v1/entities?kind=t*&kind=price&limit=1", 200),
        (USDC, 200),
        (path_of("tvl", "ethereum", "lido"), 200),
        (path_of("protocol", "all", "lido"), 200),
        (path_of("price", "base", "nobody"), 404),
        ("/v1/entities/price/base", 400),
        ("/v1/pegs", 200),
        ("/v1/events?since=0", 200),
        ("/v1/events?since=x", 400),
        ("/v1/events?severity=high", 400),
        ("/v1/status", 200),
    ],
)
def test_every_answer_is_as_the_openapi_document_says(server: GatewayServer, ask: Ask, path: str, status: int) -> None:
    described = ask("/openapi.json")
    template = next(one for one in sorted(described["paths"], reverse=True) if _fits(one, path.partition("?")[0]))
    found, document = ask_for(server, path)
    assert found == status, document
    response = described["paths"][template]["get"]["responses"][str(status)]
    schema = response["content"]["application/json"]["schema"]
    jsonschema.validate(
        document,
        schema | {"components": described["components"]},
        format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
    )


def _fits(template: str, path: str) -> bool:
    return template == path or ("{" in template and path.startswith(template.partition("{")[0]))


# Entities


def test_a_page_of_entities_leads_to_the_next_one(ask: Ask) -> None:
    found, after = [], ""
    while True:
        page = ask(f"/v1/entities?limit=2{after}")
        found += [(one["kind"], one["entity"], one["value"]) for one in page["entities"]]
        if page["next"] is None:
            break
        after = f"&after={quote(page['next'], safe='')}"
    assert sorted(found) == [
        ("price", "eth", "2100"),
        ("price", "usdc", "0.99"),
        ("protocol", "lido", None),
        ("tvl", STRANGE, "9"),
        ("tvl", "lido", "150"),
    ]


def test_entities_by_glob_whatever_the_case(ask: Ask) -> None:
    page = ask("/v1/entities?kind=PRICE&entity=usd*&entity=btc")
    assert [one["entity"] for one in page["entities"]] == ["usdc"]


def test_an_entity_has_its_value_rule_levels_and_conclusion(ask: Ask) -> None:
    found = ask(USDC)
    assert (found["entry"]["value"], found["provenance"], found["note"]) == ("0.99", "oracle", None)
    watch = found["watch"]
    assert (watch["name"], watch["shape"], watch["judged_by"]) == ("prices", "history", "rtp run")
    assert watch["rule"]["words"][1].startswith("A value 50 basis points or more off its peg of 1 is an event")
    assert {"key": "peg", "value": {"value": "1", "deviation_bps": "50"}, "origin": "overrides[0].peg"} in (
        watch["rule"]["keys"]
    )
    assert watch["conclusion"]["words"] == "no event: the change is too small"
    assert (watch["baseline"]["value"], watch["baseline"]["last_value"]) == ("0.99", "0.985")
    assert (watch["levels"]["fires_below"], watch["levels"]["depegs_below"]) == ("0.9801", "0.9950")


def test_an_entity_has_its_last_events_the_newest_first(ask: Ask) -> None:
    events = ask(path_of("tvl", "ethereum", "lido"))["events"]
    assert [(one["data"]["previous"], one["data"]["current"]) for one in events] == [("100", "150")]
    assert [one["data"]["reason"] for one in ask(USDC)["events"]] == ["depeg"]


def test_the_series_of_a_history_are_its_samples_and_else_the_values_of_events(ask: Ask) -> None:
    found, plain = ask(USDC), ask(path_of("tvl", "ethereum", "lido"))
    assert (found["series_from"], plain["series_from"]) == ("table", "events")
    times, values = zip(*found["series"], strict=True)
    assert values == ("1", "0.999", "0.99", "0.985")
    assert [later - earlier for earlier, later in pairwise(times)] == [60_000] * 3
    assert [value for _, value in plain["series"]] == ["150"]


def test_a_name_is_found_whatever_is_in_it(ask: Ask) -> None:
    found = ask(path_of("tvl", "ethereum", STRANGE))
    assert (found["entity"], found["entry"]["value"]) == (STRANGE, "9")


def test_metadata_has_its_columns_and_no_rule(ask: Ask) -> None:
    found = ask(path_of("protocol", "all", "lido"))
    assert found["entry"]["fields"] == {"name": "Lido"}
    assert (found["watch"]["rule"], found["watch"]["watched"]) == (None, ["name"])


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        (path_of("price", "base", "nobody"), "not_found", "no watch of kind price has ever seen nobody"),
        (
            path_of("price", "base", "usdz"),
            "not_found",
            "no watch of kind price has ever seen usdz. Did you mean",
        ),
        (f"{USDC}?watch=tvl", "not_found", "watch tvl does not know it. It is known to: prices"),
        ("/v1/entities/price/base/usdc/more", "bad_request", "a path is /v1/entities/KIND/CHAIN/ENTITY"),
        ("/v1/entities?colour=red", "bad_request", "'colour' is no parameter. There are: kind, chain, entity, after"),
        ("/v1/pegs?kind=price", "bad_request", "'kind' is no parameter. There are: none"),
        ("/v1/entities?after=x", "bad_request", "after: must be the `next` of a page. Leave it out to begin"),
        ("/v1/entities?limit=0", "bad_request", "limit: must be a number from 1 to 1000, not '0'"),
        ("/v1/events?min_pct=a", "bad_request", "min_pct: must be a number of percent, 0 or more, not 'a'"),
        ("/v1/events?since=1&since=2", "bad_request", "since: is given more than once. Give it once"),
        ("/v1/events?since=1", "bad_request", "since: a position is the text that came with an event"),
    ],
)
def test_what_cannot_be_answered_says_why_and_what_to_do(
    server: GatewayServer, path: str, code: str, message: str
) -> None:
    _, document = ask_for(server, path)
    assert document["error"]["code"] == code
    assert document["error"]["message"].startswith(message)


# Pegs


def test_a_peg_tells_its_distance_and_since_when_it_is_off(ask: Ask) -> None:
    (peg,) = ask("/v1/pegs")["pegs"]
    assert (peg["entity"], peg["target"], peg["deviation_bps"]) == ("usdc", "1", "50")
    assert (peg["value"], peg["distance_bps"]) == ("0.99", "-100")
    left_at = ask(USDC)["series"][2][0]
    assert abs(_ms(peg["off_since"]) - left_at) <= 1


def _ms(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() * 1000


# Events


def test_pages_of_events_hold_each_of_them_once_in_the_order_of_delivery(ask: Ask) -> None:
    everything = ask("/v1/events?since=0")
    position, found, has_more = "0", [], True
    while has_more:
        page = ask(f"/v1/events?since={quote(position)}&limit=2")
        position, has_more = page["position"], page["has_more"]
        found += page["events"]
    assert found == everything["events"]
    assert len({one["event"]["id"] for one in found}) == DELIVERED
    assert everything["reset"] is None


def test_events_are_filtered_and_the_page_leads_beyond_what_does_not_fit(ask: Ask) -> None:
    page = ask("/v1/events?since=0&reason=depeg&reason=repeg&severity=warning")
    assert [one["event"]["data"]["entity"] for one in page["events"]] == ["usdc"]
    assert ask(f"/v1/events?since={quote(page['position'])}")["events"] == []


def test_without_a_position_there_is_the_one_of_now(ask: Ask) -> None:
    page = ask("/v1/events")
    assert (page["events"], page["reset"]) == ([], None)
    assert page["position"] == ask("/v1/events?since=0")["position"]


def test_a_position_that_is_not_known_is_told_beside_what_there_is(ask: Ask) -> None:
    page = ask("/v1/events?since=1.7.5-0")
    assert page["reset"]["reason"] == "another_log"
    assert "\n" not in page["reset"]["message"]


# The state of rtp


def test_the_state_is_what_rtp_status_tells(ask: Ask) -> None:
    found = ask("/v1/status")
    assert (found["source"], found["note"], found["stream"]["events"]) == ("postgres", None, DELIVERED)
    assert [watch["watch"] for watch in found["status"]["watches"]] == ["prices", "protocols", "tvl"]
    assert found["status"]["processor"]["is_running"] is False


def test_all_who_ask_share_one_look_at_the_database(ask: Ask) -> None:
    assert ask("/v1/status")["status"]["at"] == ask("/v1/status")["status"]["at"]


# A token that is narrowed, and PostgreSQL away, or a newer rtp's


def test_where_a_newer_rtp_has_migrated_the_schema_redis_is_told_of_and_it_is_said(ask: Ask, served: Settings) -> None:
    version = "UPDATE rtp.installation SET schema_version = schema_version + %s"
    with closing(connect(postgres_dsn(served), role="test")) as writer:
        writer.execute(version, [89])
        try:
            eventually(lambda: str(ask(USDC)["note"]).startswith("the database has rtp schema version "))
            assert ask(USDC)["entry"]["value"] == "0.99"
        finally:
            writer.execute(version, [-89])
            eventually(lambda: ask(USDC)["note"] is None)


def test_without_postgresql_the_answer_is_what_redis_knows_and_says_so(ask_lonely: Ask) -> None:
    found = ask_lonely(USDC)
    assert found["note"].startswith("PostgreSQL at 127.0.0.1:1/nowhere is not reachable: ")
    assert (found["entry"]["value"], found["series_from"]) == ("0.99", "events")
    watch = found["watch"]
    assert (watch["name"], watch["baseline"], watch["conclusion"]) == ("prices", None, None)
    assert watch["levels"]["fires_below"] == "0.9801"
    assert watch["rule"]["words"][1].startswith("A value 50 basis points")
    (peg,) = ask_lonely("/v1/pegs")["pegs"]
    assert (peg["distance_bps"], peg["off_since"]) == ("-100", found["events"][0]["data"]["changed_at"])
    status = ask_lonely("/v1/status")
    assert (status["source"], status["status"], status["stream"]["events"]) == ("redis", None, DELIVERED)


def test_without_postgresql_neither_a_lost_entry_nor_a_redis_that_pauses_hides_what_redis_knows(
    served: Settings,
) -> None:
    with (
        serving(away_from(served, listen="127.0.0.1:0")) as gateway,
        redis.Redis.from_url(served.redis.url or "") as store,
    ):
        eventually(lambda: ask_for(gateway, "/readyz")[0] == 200)
        key = cache_key("tvl", "ethereum", STRANGE)
        entry = store.hgetall(key)
        store.delete(key)
        store.client_pause(700)  # longer than a reader of the cache waits before it asks the table
        try:
            listed = [one["entity"] for one in answer(gateway, "/v1/entities?kind=tvl")["entities"]]
        finally:
            store.hset(key, mapping=entry)
    assert listed == ["lido"]


def test_a_token_narrows_every_answer(lonely: GatewayServer, ask_lonely: Ask) -> None:
    reach = {"kinds": ["tvl"], "entities": ["li*"]}
    assert [one["entity"] for one in ask_lonely("/v1/entities", **reach)["entities"]] == ["lido"]
    assert [one["event"]["data"]["entity"] for one in ask_lonely("/v1/events?since=0", **reach)["events"]] == ["lido"]
    assert ask_lonely("/v1/pegs", **reach)["pegs"] == []
    status, refused = ask_for(lonely, USDC, Authorization=f"Bearer {token(**reach)}")
    assert (status, refused["error"]["code"]) == (403, "forbidden")
    assert ask_lonely(path_of("tvl", "ethereum", "lido"), **reach)["entry"]["value"] == "150"


def test_a_narrowed_token_is_not_told_what_is_near(served: Settings) -> None:
    serve = {"listen": "127.0.0.1:0", "jwt": {"key": KEY}}
    with serving(served.model_copy(update={"serve": ServeSettings.model_validate(serve)})) as server:
        path, near = path_of("price", "base", "usdd"), "no watch of kind price has ever seen usdd"
        reach: dict[str, Sequence[str]] = {"entities": ["usdd"]}
        told = [ask_for(server, path, Authorization=f"Bearer {token(**one)}")[1] for one in ({}, reach)]
        status = answer(server, "/v1/status", Authorization=f"Bearer {token(**reach)}")
    assert [one["error"]["message"] for one in told] == [f"{near}. Did you mean: usdc", near]
    assert (status["status"]["quarantined"], status["status"]["set_aside"]) == ([], [])
