"""The table of kinds, and the rows that a settings file adds to it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.errors import SettingsError
from core.kinds import SHIPPED, Kind
from core.routes.checking import find_useless
from core.settings.models import Settings
from core.settings.rules import override_value, rule_for
from core.settings.watches import watch_model
from core.sinks.settings import load_settings
from core.sinks.webhook.settings import WebhookSettings
from triggers.columns import ColumnTypes
from triggers.compiler import compile_watch

YAML = """\
kinds:
  apy: {entity: pool, percent: 5, suffix: "%"}
watches:
  pools: {kind: apy, table: pools, columns: {pool: pool, value: apy}}
"""


def load(tmp_path: Path, content: str) -> Settings:
    path = tmp_path / "my.yaml"
    path.write_text(content, encoding="utf-8")
    return load_settings(path, environ={}, options={})


def complaint(tmp_path: Path, content: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, content)
    return str(refused.value).removeprefix(f"{tmp_path}/")


def settings_of(kind: dict[str, Any], **watch: Any) -> Settings:
    columns = {kind["entity"]: "e"} | ({} if kind.get("value") is False else {"value": "v"})
    return Settings.model_validate(
        {"kinds": {"own": kind}, "watches": {"w": {"kind": "own", "table": "t", "columns": columns, **watch}}}
    )


@pytest.mark.parametrize("kind", SHIPPED.values(), ids=SHIPPED)
def test_each_shipped_kind_has_a_watch_with_its_own_word_and_percent(kind: Kind) -> None:
    columns = {kind.entity: "e"} | ({"value": "v"} if kind.has_value else {})
    written = {"kind": kind.name, "table": "t", "columns": columns} | ({} if kind.has_value else {"watched": ["a"]})
    watch = watch_model(kind).model_validate(written)
    assert (watch.kind, watch.about, watch.columns.entity) == (kind.name, kind, "e")
    if watch.has_value:
        assert watch.percent == kind.percent


def test_a_kind_of_the_settings_own_stands_behind_rtps(tmp_path: Path) -> None:
    settings = load(tmp_path, YAML)
    assert list(settings.all_kinds) == [*SHIPPED, "apy"]
    assert settings.all_kinds["apy"] == Kind("apy", "pool", percent=Decimal(5), suffix="%")


def test_a_watch_of_such_a_kind_has_its_percent(tmp_path: Path) -> None:
    watch = load(tmp_path, YAML).watches["pools"]
    assert watch.has_value
    assert rule_for(watch, "all", "x").percent == 5


def test_settings_that_are_written_out_are_read_back_as_they_were(tmp_path: Path) -> None:
    settings = load(tmp_path, YAML)
    assert Settings.model_validate(settings.own_document()).watches == settings.watches


def test_the_words_are_keys_wherever_an_entity_is_named(tmp_path: Path) -> None:
    more = """\
redis: {cache: {ttl: {apy: 5m}, max_staleness: {apy: 2m}}}
routes: [{match: {pool: "aave*"}, channel: c}]
dynamodb: {tables: {pools: {table: pools, attributes: {pool: p}}}}
"""
    settings = load(tmp_path, YAML + more)
    assert (settings.redis.cache_ttl_ms("apy"), settings.redis.cache.max_staleness_seconds("apy")) == (300_000, 120)
    assert settings.routes[0].match.kinds == ("apy",)
    assert settings.dynamodb.tables["pools"].attributes.entity_of("apy") == ("p",)


def test_one_that_no_watch_is_of_is_told(tmp_path: Path) -> None:
    settings = load(tmp_path, YAML.replace("kinds:\n", "kinds:\n  apr: {entity: pool}\n"))
    assert list(find_useless(settings)) == ["kinds.apr: no watch is of this kind. Add one, or remove the kind"]


def test_a_webhooks_match_knows_them_too(tmp_path: Path) -> None:
    settings = load(tmp_path, YAML + 'webhook: {url: "https://h.example", match: {pool: x}}\n')
    match = settings.section("webhook", WebhookSettings).root[""].match
    assert match is not None
    assert match.kinds == ("apy",)


def test_two_kinds_may_share_a_word() -> None:
    settings = Settings.model_validate(
        {
            "kinds": {"volume": {"entity": "protocol"}},
            "watches": {"v": {"kind": "volume", "table": "t", "columns": {"protocol": "p", "value": "v"}}},
            "routes": [{"match": {"protocol": "lido"}, "channel": "c"}],
        }
    )
    assert settings.routes[0].match.kinds == ("tvl", "protocol", "volume")


def test_a_kind_with_a_peg_takes_one_in_its_watches_and_overrides() -> None:
    settings = settings_of({"entity": "pair", "peg": True}, overrides=[{"pair": "a/b", "peg": 1}])
    watch = settings.watches["w"]
    assert watch.has_value
    assert override_value(watch.overrides[0], "peg").value == 1


def test_a_kind_without_a_value_is_metadata() -> None:
    watch = settings_of({"entity": "pool", "value": False}, watched=["name"]).watches["w"]
    assert (watch.has_value, watch.watched) == (False, ("name",))


def test_a_watch_of_such_a_kind_is_compiled_as_one_of_rtps_own() -> None:
    own = settings_of({"entity": "pool", "percent": 3}, overrides=[{"pool": "a*", "percent": 9}])
    columns = {"protocol": "e", "value": "v"}
    tvl = {"kind": "tvl", "table": "t", "percent": 3, "columns": columns}
    shipped = Settings.model_validate({"watches": {"w": tvl | {"overrides": [{"protocol": "a*", "percent": 9}]}}})
    scripts = [
        [
            function.as_string(None)
            for function in compile_watch(
                "w", one.watches["w"], watch_id=1, rules=1, column_types=ColumnTypes()
            ).functions
        ]
        for one in (own, shipped)
    ]
    assert scripts[0] == scripts[1]


# What is wrong is one line, with its place


@pytest.mark.parametrize(
    ("kinds", "line"),
    [
        ("tvl: {entity: pool}", "kinds.tvl: rtp has a kind tvl of its own. Give yours another name"),
        ("apy: {percent: 5}", "kinds.apy.entity: is missing. Add it"),
        (
            "apy: {entity: }",
            "kinds.apy.entity: must be text, but nothing is written. Give it a value or remove the key",
        ),
        (
            "APY %: {entity: pool}",
            "kinds.APY %: must be a name of up to 40 small letters, digits and _ that starts with a letter",
        ),
        (
            'apy: {entity: "a pool"}',
            "kinds.apy.entity: must be a name of up to 40 small letters, digits and _ that starts with a letter,"
            " not a pool",
        ),
        *(
            (
                f"apy: {{entity: {word}}}",
                f"kinds.apy.entity: {word} means something else beside it. Give the entity another name, e.g. pool",
            )
            for word in ("chain", "value", "confidence", "percent", "peg", "kind", "severity")
        ),
        ("apy: {entity: pool, pct: 5}", "kinds.apy.pct: unknown key. Did you mean percent?"),
        ("apy: {entity: pool, percent: -1}", "kinds.apy.percent: must be 0 or more, not -1"),
        (
            "apy: {entity: pool, value: false, percent: 5}",
            "kinds.apy: a kind without a value has no percent. Remove it, or `value: false`",
        ),
        (
            "apy: {entity: pool, value: false, percent: 0}",
            "kinds.apy: a kind without a value has no percent. Remove it, or `value: false`",
        ),
        ("apy: {entity: pool, peg: 1.0}", "kinds.apy.peg: must be true or false, not 1.0"),
        ("apy: pool", "kinds.apy: must be a mapping (indented `key: value` lines), not pool"),
        (
            "apy: {entity: pool, color: pink}",
            "kinds.apy.color: must be red, green, yellow, blue, magenta, cyan or white, not pink",
        ),
    ],
)
def test_a_wrong_kind_is_one_line_that_says_where_and_what(tmp_path: Path, kinds: str, line: str) -> None:
    content = YAML.replace('apy: {entity: pool, percent: 5, suffix: "%"}', kinds)
    assert complaint(tmp_path, content) == f"my.yaml:2: {line}"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("kind: apy", "kind: apr", "my.yaml:4: watches.pools.kind: must be tvl, price, protocol or apy, not apr"),
        ("kind: apy, ", "", "my.yaml:4: watches.pools.kind: is missing. Write tvl, price, protocol or apy"),
        ("{pool: pool, ", "{", "my.yaml:4: watches.pools.columns.pool: is missing. Add it"),
        (
            "columns: {",
            "columns: {pol: x, ",
            "my.yaml:4: watches.pools.columns.pol: unknown key. Did you mean pool?",
        ),
        (
            "table: pools",
            "table: pools, overrides: [{pooll: x}]",
            "my.yaml:4: watches.pools.overrides[0].pooll: unknown key. Did you mean pool?",
        ),
        (
            "watches:",
            "redis: {cache: {ttl: {apx: 5m}}}\nwatches:",
            "my.yaml:3: redis.cache.ttl.apx: unknown key. Did you mean apy?",
        ),
        (
            "watches:",
            "routes: [{match: {kind: apz}, channel: c}]\nwatches:",
            "my.yaml:3: routes[0].match.kind[0]: must be one of tvl, price, protocol, apy, market",
        ),
        (
            "watches:",
            "webhook: {url: https://h.example, match: {pol: x}}\nwatches:",
            "my.yaml:3: webhook.match.pol: unknown key. Did you mean pool?",
        ),
        (
            "watches:",
            "routes: [{match: {kind: tvl, pool: x}, channel: c}]\nwatches:",
            "my.yaml:3: routes[0].match: kind and pool exclude each other: pool needs kind apy",
        ),
        (
            "watches:",
            "dynamodb: {tables: {pools: {table: pools, attributes: {token: x}}}}\nwatches:",
            "my.yaml:3: dynamodb: pools is about a pool. Remove token from its attributes",
        ),
    ],
    ids=str,
)
def test_what_does_not_fit_a_kind_is_told_in_its_words(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert complaint(tmp_path, YAML.replace(old, new, 1)) == line
