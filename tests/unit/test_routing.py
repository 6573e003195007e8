"""Which queues and channels an event goes to, what `rtp route` says of it, and which routes are pointless."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SettingsError
from core.inspection.unseen import Entity, find_unseen
from core.kinds import SHIPPED
from core.routes.checking import find_useless
from core.routes.matching import Routes
from core.routes.sample_event import SampleEvent, sample_event, samples_of
from core.settings.models import Settings
from core.sinks.registry import sink_names
from core.sinks.settings import load_settings
from core.sinks.sqs.queues import sqs_destinations
from rtp_client.event import Reason, Severity

WATCHES: dict[str, Any] = {
    "tvl": {"kind": "tvl", "table": "tvl", "columns": {"chain": "chain", "protocol": "p", "value": "v"}},
    "prices": {"kind": "price", "table": "prices", "columns": {"chain": "chain", "token": "t", "value": "v"}},
    "meta": {"kind": "protocol", "table": "meta", "columns": {"protocol": "p"}, "watched": ["name"]},
}
LIDO = SampleEvent("tvl", "ethereum", "lido", "-7.5", "deviation", "warning")


def settings_with(*routes: dict[str, Any], queue: str | None = "all.fifo", **watches: dict[str, Any]) -> Settings:
    return Settings.model_validate({"watches": watches or WATCHES, "sqs": {"queue": queue}, "routes": list(routes)})


def matches(event: SampleEvent, **match: Any) -> bool:
    return Routes(settings_with({"match": match, "queue": "q.fifo"})).goes_to("q.fifo", event)


# One key at a time


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({}, True),
        ({"kind": "tvl"}, True),
        ({"kind": ["price", "tvl"]}, True),
        ({"kind": "price"}, False),
        ({"protocol": "lido"}, True),
        ({"protocol": "li*"}, True),
        ({"protocol": ["aave", "li?o"]}, True),
        ({"protocol": "LIDO"}, False),
        ({"token": "lido"}, False),
        ({"protocol": "lido", "token": "usdc"}, True),
        ({"chain": "ethereum"}, True),
        ({"chain": ["base", "arb*"]}, False),
        ({"severity": "info"}, True),
        ({"severity": "warning"}, True),
        ({"severity": "critical"}, False),
        ({"reason": "deviation"}, True),
        ({"reason": ["depeg", "deleted"]}, False),
        ({"min_percent": 7.5}, True),
        ({"min_percent": "7.51"}, False),
        ({"kind": "tvl", "protocol": "lido", "chain": "ethereum", "severity": "warning", "min_percent": 5}, True),
        ({"kind": "tvl", "protocol": "lido", "chain": "base"}, False),
    ],
    ids=str,
)
def test_an_event_fits_where_every_key_does(match: dict[str, Any], fits: bool) -> None:
    assert matches(LIDO, **match) is fits


@pytest.mark.parametrize(
    ("event", "fits"),
    [
        (SampleEvent("tvl", "a", "b", None, "from_zero", "warning", "5"), True),
        (SampleEvent("tvl", "a", "b", None, "not_finite", "warning", "Infinity"), True),
        (SampleEvent("tvl", "a", "b", None, "not_finite", "warning", "NaN"), False),
        (SampleEvent("protocol", "a", "b", None, "changed", "info"), False),
    ],
    ids=["from zero", "to infinity", "to NaN", "metadata"],
)
def test_a_move_without_a_percentage_is_as_far_as_it_is(event: SampleEvent, fits: bool) -> None:
    assert matches(event, min_percent=1000) is fits


@pytest.mark.parametrize(("wanted", "alone", "member"), [(False, True, False), (True, False, True)])
def test_members_of_a_market_wide_move_can_be_left_out_or_taken_alone(wanted: bool, alone: bool, member: bool) -> None:
    assert (matches(LIDO, market=wanted), matches(replace(LIDO, market="id"), market=wanted)) == (alone, member)


def test_an_event_of_a_kind_that_the_settings_no_longer_have_fits_where_no_name_is_asked_for() -> None:
    event = replace(LIDO, kind="apy")
    assert (matches(event, chain="ethereum"), matches(event, protocol="lido")) == (True, False)


# Queues and channels


def test_the_default_queue_gets_every_event_besides_what_routes_say() -> None:
    routes = Routes(settings_with({"match": {"kind": "tvl"}, "queue": "desk.fifo"}))
    assert routes.queues(LIDO) == ["all.fifo", "desk.fifo"]


def test_a_default_queue_that_a_route_names_gets_what_its_routes_match() -> None:
    routes = Routes(settings_with({"match": {"kind": "price"}, "queue": "all.fifo"}))
    assert routes.queues(LIDO) == []


def test_an_event_of_several_routes_goes_once_to_each_queue_and_channel() -> None:
    routes = Routes(
        settings_with(
            {"queue": "a.fifo", "channel": "x"},
            {"match": {"kind": "tvl"}, "queue": "a.fifo", "channel": "y"},
            {"match": {"chain": "ethereum"}, "queue": "b.fifo", "channel": "x"},
            queue=None,
        )
    )
    assert (routes.queues(LIDO), routes.channels(LIDO)) == (["a.fifo", "b.fifo"], ["x", "y"])


def test_each_queue_is_a_sink_of_its_own() -> None:
    settings = settings_with({"queue": "a.fifo"}, {"queue": "all.fifo"}, {"queue": "a.fifo", "channel": "x"})
    assert [one.sink for one in sqs_destinations(settings)] == ["sqs", "sqs:a.fifo"]
    assert sink_names(settings) == ("sqs", "sqs:a.fifo")


def test_a_queue_has_the_dead_letter_queue_that_any_of_its_routes_names() -> None:
    settings = settings_with({"queue": "a.fifo"}, {"queue": "a.fifo", "dead_letter_queue": "a-dlq.fifo"})
    assert [one.dead_letter_queue for one in sqs_destinations(settings)] == [None, "a-dlq.fifo"]


NAMES = st.sampled_from(["lido", "aave", "a*", "?ido", "*"])
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.lists(st.sampled_from(list(SHIPPED)), min_size=1, max_size=2),
        "chain": st.lists(NAMES, min_size=1, max_size=2),
        "severity": st.sampled_from(list(Severity)),
        "reason": st.lists(st.sampled_from(list(Reason)), min_size=1, max_size=3),
        "min_percent": st.sampled_from([0, 5, 50]),
    },
)
EVENTS = st.builds(
    SampleEvent,
    kind=st.sampled_from(list(SHIPPED)),
    chain=st.sampled_from(["lido", "aave", "x"]),
    entity=st.just("e"),
    change_pct=st.sampled_from([None, "-60", "5", "0.1"]),
    reason=st.sampled_from(list(Reason)),
    severity=st.sampled_from(list(Severity)),
)


@given(st.lists(MATCHES, max_size=4), EVENTS)
def test_a_queue_gets_an_event_exactly_where_a_route_to_it_has_no_mismatch(
    found: list[dict[str, Any]], event: SampleEvent
) -> None:
    routes = Routes(settings_with(*({"match": match, "queue": f"q{i % 2}.fifo"} for i, match in enumerate(found))))
    fitting = {one.route.queue for one in routes.judge(event) if one.mismatch is None}
    assert {queue for queue in ("q0.fifo", "q1.fifo") if routes.goes_to(queue, event)} == fitting


@given(MATCHES, MATCHES, EVENTS)
def test_a_route_that_is_said_to_add_nothing_adds_nothing(
    first: dict[str, Any], second: dict[str, Any], event: SampleEvent
) -> None:
    settings = settings_with({"match": first, "queue": "q.fifo"}, {"match": second, "queue": "q.fifo"})
    if any("adds nothing" in line for line in find_useless(settings)):
        alone = Routes(settings_with({"match": first, "queue": "q.fifo"}))
        assert alone.goes_to("q.fifo", event) == Routes(settings).goes_to("q.fifo", event)


# What the file may say


@pytest.mark.parametrize(
    ("route", "complaint"),
    [
        ("{match: {kind: tvl}}", "routes[0]: leads nowhere"),
        ("{queue: a}", "routes[0].queue: must be the name"),
        ("{queue: a.fifo, chanel: x}", "Did you mean channel?"),
        ("{queue: a.fifo, match: {sevrity: info}}", "Did you mean severity?"),
        ("{queue: a.fifo, match: {kind: nft}}", "must be one of tvl, price, protocol"),
        ("{queue: a.fifo, match: {severity: high}}", "must be one of info, warning, critical"),
        ("{queue: a.fifo, match: {kind: tvl, token: usdc}}", "token needs kind price"),
        ("{queue: a.fifo, match: {min_percent: -1}}", "must be 0 or more"),
        ("{channel: x, dead_letter_queue: d.fifo}", "no queue"),
        ("{channel: x, name: n}, {channel: y, name: n}", "two routes are called n"),
        (
            "{queue: a.fifo, dead_letter_queue: d.fifo}, {queue: a.fifo, dead_letter_queue: e.fifo}",
            "two dead letter queues",
        ),
    ],
)
def test_a_wrong_route_is_one_line_with_its_place(tmp_path: Path, route: str, complaint: str) -> None:
    path = tmp_path / "rtp.yaml"
    path.write_text(f"watches:\n  t: {{kind: tvl, table: t, columns: {{protocol: p, value: v}}}}\nroutes: [{route}]\n")
    with pytest.raises(SettingsError) as refused:
        load_settings(path, environ={}, options={})
    assert complaint in str(refused.value)
    assert str(refused.value).startswith(f"{path}:3: routes")


# Sample events


@pytest.mark.parametrize(
    ("percent", "severity"), [("1", "info"), ("-7", "warning"), ("20", "critical"), (None, "info")]
)
def test_a_sample_has_the_severity_that_the_watchs_tiers_give_it(percent: str | None, severity: str) -> None:
    size = None if percent is None else Decimal(percent)
    assert sample_event(settings_with(), "tvl", entity="lido", percent=size).severity == severity


def test_a_sample_without_a_percentage_has_the_severity_of_its_reason() -> None:
    assert sample_event(settings_with(), "tvl", entity="lido", reason=Reason.DELETED).severity == "warning"


def test_a_sample_is_of_the_chain_that_the_watch_knows() -> None:
    columns = {"chain": {"const": "base"}, "protocol": "p", "value": "v"}
    settings = settings_with(tvl={"kind": "tvl", "table": "t", "columns": columns})
    assert sample_event(settings, "tvl", entity="lido").chain == "base"


def test_a_watch_has_a_sample_of_each_severity() -> None:
    assert [event.severity for event in samples_of(settings_with(), "tvl")] == ["info", "warning", "critical"]
    assert [event.reason for event in samples_of(settings_with(), "meta")] == ["changed"]


# Routes that can never match


def complaints(match: dict[str, Any], **watches: dict[str, Any]) -> str:
    settings = settings_with({"match": match, "queue": "q.fifo"}, queue="all.fifo", **watches)
    return "\n".join(find_useless(settings))


TVL_ONLY = {"tvl": WATCHES["tvl"]}
CONST = {"tvl": WATCHES["tvl"] | {"columns": {"chain": {"const": "base"}, "protocol": {"const": "lido"}, "value": "v"}}}
MOVING = {"tvl": WATCHES["tvl"] | {"market": {}}}
HIGH = {"tvl": WATCHES["tvl"] | {"severity": {"info": 0, "warning": 5, "critical": 150}}}


@pytest.mark.parametrize(
    ("match", "watches", "complaint"),
    [
        ({"kind": "price"}, TVL_ONLY, "watch tvl raises kind tvl"),
        ({"token": "usdc"}, TVL_ONLY, "watch tvl raises kind tvl"),
        ({"chain": "ethereum"}, CONST, "knows the chain base only"),
        ({"protocol": "aave*"}, CONST, "knows lido only"),
        ({"reason": "depeg"}, WATCHES, "watch prices never gives the reason depeg"),
        ({"reason": "heartbeat"}, WATCHES, "never gives the reason heartbeat"),
        ({"reason": "first_seen"}, WATCHES, "never gives the reason first_seen"),
        ({"reason": "added"}, TVL_ONLY, "never gives the reason added"),
        ({"kind": "protocol", "severity": "warning"}, WATCHES, "never reaches warning"),
        ({"kind": "protocol", "min_percent": 1}, WATCHES, "moves by 1 % for no such reason"),
        ({"reason": ["to_null", "deleted"], "severity": "critical"}, TVL_ONLY, "never reaches critical"),
        ({"reason": "from_zero", "severity": "critical"}, TVL_ONLY, "never reaches critical"),
        ({"reason": "to_zero", "severity": "critical"}, HIGH, "never reaches critical"),
        ({"reason": "to_zero", "min_percent": 101}, TVL_ONLY, "moves by 101 % for no such reason"),
        ({"reason": "to_null", "min_percent": 1}, TVL_ONLY, "moves by 1 % for no such reason"),
        ({"market": True}, TVL_ONLY, "watch tvl has no `market`"),
        ({"kind": "market"}, TVL_ONLY, "watch tvl raises kind tvl"),
        ({"kind": "market", "watch": "prices"}, MOVING, "watch tvl raises kind tvl"),
    ],
    ids=str,
)
def test_a_route_that_can_never_match_is_told_with_the_reason(
    match: dict[str, Any], watches: dict[str, Any], complaint: str
) -> None:
    assert complaint in complaints(match, **watches)


@pytest.mark.parametrize(
    "match",
    [
        {},
        {"severity": "critical"},
        {"min_percent": 1000},
        {"reason": "to_zero", "severity": "critical", "min_percent": 100},
        {"reason": "from_zero", "min_percent": 5000, "severity": "warning"},
        {"reason": "deleted", "severity": "warning"},
        {"kind": "protocol"},
    ],
    ids=str,
)
def test_a_route_that_can_match_is_not_blamed(match: dict[str, Any]) -> None:
    assert complaints(match) == ""


@pytest.mark.parametrize("match", [{"market": True}, {"market": False}, {"kind": "market"}, {"watch": "t*"}], ids=str)
def test_a_market_is_a_reason_for_events_of_its_own(match: dict[str, Any]) -> None:
    assert complaints(match, **MOVING) == ""


def test_a_peg_in_an_override_is_a_reason_for_depegs() -> None:
    prices = WATCHES["prices"] | {"overrides": [{"token": "usdc", "peg": {}}]}
    assert complaints({"reason": "depeg"}, prices=prices) == ""


@pytest.mark.parametrize(
    ("first", "second", "is_told"),
    [
        ({}, {"kind": "tvl"}, True),
        ({"kind": "tvl"}, {}, False),
        ({"protocol": "li*"}, {"protocol": "lido"}, True),
        ({"protocol": "lido"}, {"protocol": "li*"}, False),
        ({"severity": "info"}, {"severity": "critical"}, True),
        ({"severity": "critical"}, {}, False),
        ({"min_percent": 5}, {"min_percent": 7}, True),
        ({"min_percent": 7}, {"min_percent": 5}, False),
        ({"reason": ["deviation", "deleted"]}, {"reason": "deleted"}, True),
        ({"reason": "deviation"}, {"reason": ["deviation", "deleted"]}, False),
        ({"chain": ["base", "ethereum"]}, {"chain": "base"}, True),
    ],
    ids=str,
)
def test_a_route_that_adds_nothing_is_told(first: dict[str, Any], second: dict[str, Any], is_told: bool) -> None:
    settings = settings_with({"match": first, "queue": "q.fifo"}, {"match": second, "queue": "q.fifo"})
    assert ["routes[1] adds nothing" in line for line in find_useless(settings)] == [True] * is_told


def test_the_same_match_to_another_queue_is_not_pointless() -> None:
    assert list(find_useless(settings_with({"queue": "a.fifo"}, {"queue": "b.fifo"}))) == []


# Routes that fit no row so far

SEEN = [
    Entity("tvl", "tvl", "ethereum", "lido"),
    Entity("tvl", "tvl", "base", "aave"),
    Entity("prices", "price", "ethereum", "usdc"),
]


@pytest.mark.parametrize(
    ("match", "told"),
    [
        ({"chain": "etherum"}, "no row is on chain etherum. Did you mean ethereum?"),
        ({"chain": ["solana", "z*"]}, "no row is on chain solana or z*"),
        ({"kind": "price", "chain": "base"}, "no row is on chain base"),
        ({"protocol": "lidoo"}, "no row is called lidoo. Did you mean lido?"),
        ({"token": "USDC"}, "no row is called USDC. Upper and lower case count: there is usdc"),
        ({"token": "USD*"}, "no row is called USD*. Upper and lower case count: there is usdc"),
        ({"kind": "tvl", "protocol": "lido", "chain": "base"}, "no row has such a name on such a chain"),
    ],
)
def test_a_route_that_fits_no_row_is_told_with_the_reason(match: dict[str, Any], told: str) -> None:
    settings = settings_with({"queue": "all.fifo"}, {"name": "desk", "match": match, "queue": "q.fifo"})
    assert list(find_unseen(settings, SEEN)) == [f"routes[1] (desk) fits nothing that is there so far: {told}"]


@pytest.mark.parametrize(
    "match",
    [
        {},
        {"kind": "tvl"},
        {"chain": ["solana", "eth*"]},
        {"protocol": "li?o", "chain": "ethereum"},
        {"token": "usdc"},
        {"kind": "protocol", "protocol": "uniswap"},  # no protocol has been seen yet, so any may come
    ],
)
def test_a_route_that_fits_a_row_or_may_yet_is_not_blamed(match: dict[str, Any]) -> None:
    assert list(find_unseen(settings_with({"match": match, "queue": "q.fifo"}), SEEN)) == []


def test_a_name_in_other_letter_case_is_told_though_others_beside_it_fit() -> None:
    match = {"token": ["usdc", "USD?", "dai"], "chain": ["ethereum", "Base"]}
    seen = [*SEEN, Entity("prices", "price", "base", "weth")]
    assert list(find_unseen(settings_with({"match": match, "queue": "q.fifo"}), seen)) == [
        "routes[0]: no row is on chain Base. Upper and lower case count: there is base",
        "routes[0]: no row is called USD?. Upper and lower case count: there is usdc",
    ]


def test_a_webhook_that_fits_no_row_is_told_as_a_route_is(tmp_path: Path) -> None:
    webhook = {"desk": {"url": "https://host.example", "match": {"token": "usd"}}}
    path = tmp_path / "rtp.yaml"
    path.write_text(yaml.safe_dump({"watches": WATCHES, "webhook": webhook}), encoding="utf-8")
    settings = load_settings(path, environ={}, options={})
    assert list(find_unseen(settings, SEEN)) == [
        "webhook desk fits nothing that is there so far: no row is called usd. Did you mean usdc?"
    ]


def test_a_route_that_can_never_match_is_told_once() -> None:
    constant = WATCHES["tvl"] | {"columns": WATCHES["tvl"]["columns"] | {"chain": {"const": "ethereum"}}}
    settings = settings_with({"match": {"kind": "tvl", "chain": "base"}, "queue": "q.fifo"}, tvl=constant)
    assert (len(list(find_useless(settings))), list(find_unseen(settings, SEEN[:1]))) == (1, [])


# Overrides that fit no row so far


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ({"token": "USDC", "peg": 1}, "no row is called USDC. Upper and lower case count: there is usdc"),
        ({"token": "US*"}, "no row is called US*. Upper and lower case count: there is usdc"),
        ({"token": "b?c"}, "no row is called b?c"),
        ({"chain": "Ethereum"}, "no row is on chain Ethereum. Upper and lower case count: there is ethereum"),
        ({"token": "usdc", "chain": "base"}, "no row is on chain base"),
    ],
)
def test_an_override_that_fits_no_row_is_told_with_the_reason(override: dict[str, Any], told: str) -> None:
    settings = settings_with(prices=WATCHES["prices"] | {"overrides": [{"token": "usdc"}, override]})
    assert list(find_unseen(settings, SEEN)) == [
        f"watches.prices.overrides[1] fits nothing that is there so far: {told}"
    ]


@pytest.mark.parametrize("override", [{"token": "usd*"}, {"chain": "ethereum"}, {"percent": 1}])
def test_an_override_that_fits_a_row_is_not_blamed(override: dict[str, Any]) -> None:
    assert list(find_unseen(settings_with(prices=WATCHES["prices"] | {"overrides": [override]}), SEEN)) == []


def test_an_override_is_not_blamed_before_its_watch_has_seen_anything() -> None:
    settings = settings_with(others=WATCHES["prices"] | {"overrides": [{"token": "USDC"}]})
    assert list(find_unseen(settings, SEEN)) == []


# Heartbeats

BEAT = SampleEvent("tvl", "ethereum", "lido", "0.1", "heartbeat", "info")
BEATING = {**WATCHES, "tvl": {**WATCHES["tvl"], "heartbeat": "1h"}}


def test_a_heartbeat_reaches_no_queue_unless_a_route_names_it() -> None:
    named = {"match": {"reason": ["heartbeat", "depeg"]}, "queue": "beats.fifo"}
    unnamed = {"match": {"kind": "tvl"}, "queue": "tvl.fifo", "channel": "tvl"}
    routes = Routes(settings_with(named, unnamed, **BEATING))
    assert routes.queues(BEAT) == ["beats.fifo"]
    assert routes.channels(BEAT) == ["tvl"]
    assert routes.queues(LIDO) == ["all.fifo", "tvl.fifo"]


def test_where_a_rule_beats_the_default_queue_does_not_get_everything() -> None:
    assert Routes(settings_with()).takes_all("all.fifo")
    assert not Routes(settings_with(**BEATING)).takes_all("all.fifo")


def test_a_route_to_a_queue_says_why_it_leaves_a_heartbeat_out() -> None:
    (verdict,) = Routes(settings_with({"match": {}, "queue": "q.fifo"}, **BEATING)).judge(BEAT)
    assert verdict.mismatch == "a queue gets heartbeats only by reason"
