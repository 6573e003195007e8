"""What is proposed for a table that somebody else has made: kind, shape, columns, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.discovery.document import document_of, settings_text
from core.discovery.picture import FoundColumn, FoundTable, Picture
from core.discovery.propose import propose
from core.discovery.reason import often
from core.discovery.words import words_of
from core.discovery.zone import zone_of
from core.settings.models import Settings
from tests.tables import NOW, proposal, proposals, table

if TYPE_CHECKING:
    from collections.abc import Sequence

TVL = table(
    "analytics.protocol_tvl",
    "slug text, network text, tvl numeric, tvl_prev_day numeric, updated_at ts, source text",
    "slug network",
    updates_per_minute=300.0,
)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("protocol_tvl_usd", ("protocol", "tvl", "usd")),
        ("protocolTvlUSD", ("protocol", "tvl", "usd")),
        ("totalLiquidityUSD", ("total", "liquidity", "usd")),
        ("total24h", ("total", "24h")),
        ("apyPct1D", ("apy", "pct", "1d")),
        ("priceusd", ("price", "usd")),
        ("Protocol TVL (USD)", ("protocol", "tvl", "usd")),
    ],
)
def test_a_name_has_the_same_words_however_it_is_written(name: str, words: tuple[str, ...]) -> None:
    assert words_of(name) == words


def test_a_proposal_says_on_one_line_what_it_is_and_why() -> None:
    assert proposal(TVL).line == (
        "analytics.protocol_tvl.tvl looks like TVL: numeric, one row per slug and network, updated 300 times a minute"
    )


def test_a_table_with_a_unique_key_of_its_entities_is_watched_with_all_columns_that_are_known() -> None:
    assert proposal(TVL).watch == {
        "kind": "tvl",
        "table": "analytics.protocol_tvl",
        "percent": 1.0,
        "columns": {
            "chain": "network",
            "protocol": "slug",
            "value": "tvl",
            "changed_at": "updated_at",
            "provenance": "source",
        },
    }


@pytest.mark.parametrize(
    ("column", "kind", "entity"),
    [
        ("tvlUsd double", "tvl", "protocol"),
        ("apy float", "apy", "pool"),
        ("supply_rate numeric", "apy", "pool"),
        ("volume_24h numeric", "volume", "pool"),
        ("total24h numeric", "volume", "pool"),
        ("dailyFees numeric", "fees", "pool"),
        ("circulating_supply numeric", "supply", "pool"),
        ("totalSuppliedUsd numeric", "deposits", "pool"),
        ("totalBorrowedUsd numeric", "borrows", "pool"),
        ("total_borrow_rate numeric", "apy", "pool"),
        ("funding_rate numeric", "funding_rate", "pool"),
        ("utilizationRate float", "utilisation", "pool"),
        ("close numeric", "price", "token"),
    ],
)
def test_a_column_is_known_by_its_name(column: str, kind: str, entity: str) -> None:
    found = proposal(table("pool_state", f"pool text, {column.replace('double', 'float')}", "pool"))
    assert (found.watch["kind"], found.watch["columns"][entity]) == (kind, "pool")


@pytest.mark.parametrize("column", ["tvl_prev_day", "price_change_24h", "apyPct1D", "high", "volume_rank", "avg_price"])
def test_a_number_that_is_made_from_others_is_not_proposed(column: str) -> None:
    assert proposals(table("pools", f"pool text, {column} numeric", "pool")).watches == ()


def test_several_measures_of_one_table_are_watches_of_their_own() -> None:
    found = proposals(
        table("pools", "pool text, chain text, tvl numeric, apy numeric, apyBase numeric", "pool")
    ).watches
    assert [(one.name, one.value) for one in found] == [("pools_apy", "apy"), ("pools_tvl", "tvl")]
    assert found[0].notes == ("apyBase looks like an APY, too",)


def test_a_rate_is_shown_as_percents_where_its_values_are_percents() -> None:
    percents = table("yields", "pool text, apy numeric", "pool", rows=[("a", 3.5), ("b", 12)])
    fractions = table("yields", "pool text, apy numeric", "pool", rows=[("a", 0.035), ("b", 0.12)])
    assert proposal(percents).kind == {"entity": "pool", "percent": 5, "suffix": "%"}
    assert proposal(fractions).kind == {"entity": "pool", "percent": 5}


def test_a_surrogate_key_names_nobody() -> None:
    orm = table(
        "public.ProtocolTvl",
        "id integer, protocolSlug text, chainName text, tvlUsd numeric, createdAt ts, updatedAt ts",
        "id",
        "protocolSlug chainName",
    )
    found = proposal(orm)
    assert found.name == "protocol_tvl"
    assert found.watch["columns"] == {
        "chain": "chainName",
        "protocol": "protocolSlug",
        "value": "tvlUsd",
        "changed_at": "updatedAt",
    }


def test_names_are_preferred_to_numbers() -> None:
    assert proposal(table("tvl", "protocol_id integer, slug text, tvl numeric", "protocol_id", "slug")).entity == "slug"


def test_a_number_as_a_name_is_said() -> None:
    found = proposal(table("tvl", "protocol_id integer, tvl numeric", "protocol_id"))
    assert found.notes == ("events name what they are about by the number in protocol_id",)


def test_an_exchange_stands_where_the_chain_would() -> None:
    found = proposal(table("perps", "exchange text, symbol text, funding_rate numeric, ts ts", "exchange symbol ts"))
    assert found.watch["columns"] == {
        "chain": "exchange",
        "symbol": "symbol",
        "value": "funding_rate",
        "changed_at": "ts",
    }
    assert found.is_history


def test_a_unique_key_with_a_time_is_a_history() -> None:
    found = proposal(table("prices", "token text, ts ts, price float", "token ts", inserts_per_minute=0.05))
    assert found.watch["shape"] == "history"
    assert found.reason == "double precision, a row per sample of token by ts, written 3 times a hour".replace(
        "a hour", "an hour"
    )


def test_rows_of_the_same_entity_are_a_history() -> None:
    rows = [("eth", NOW, 1), ("eth", NOW, 2)]
    assert proposal(table("prices", "token text, ts ts, price float", rows=rows)).is_history


def test_several_sources_of_one_entity_must_agree() -> None:
    found = proposal(
        table("quotes", "token text, chain text, venue text, price numeric, at ts", "token chain venue at")
    )
    assert found.watch["agree"] == {"sources": 2, "within": "5m"}
    assert found.watch["columns"]["source"] == "venue"


def test_without_a_unique_key_it_is_said_which_one_is_missing() -> None:
    [unfit] = proposals(table("tvl", "slug text, tvl numeric", rows=[("lido", 1), ("aave", 2)])).unfit
    assert str(unfit) == (
        "public.tvl.tvl looks like TVL, but it has no unique key within slug, so an entity could have several rows."
        ' CREATE UNIQUE INDEX CONCURRENTLY ON "public"."tvl" ("slug")'
    )


def test_times_as_numbers_are_named_with_what_would_make_times_of_them() -> None:
    rows = [("ETH / USD", 1, 300000000000, 1764244800, 1764244810)]
    columns = "feed text, round_id bigint, answer numeric, started_at bigint, updated_at bigint"
    [unfit] = proposals(table("rounds", columns, "feed round_id", rows=rows)).unfit
    assert "updated_at holds seconds since 1970" in unfit.remedy
    assert 'timestamptz GENERATED ALWAYS AS (to_timestamp("updated_at")) STORED' in unfit.remedy


def test_prices_with_eight_decimals_have_a_peg_with_eight_decimals() -> None:
    rows = [("USDC / USD", 99990000), ("BTC / USD", 6700000000000)]
    found = proposal(table("feeds", "feed text, answer bigint", "feed", rows=rows))
    assert found.kind == {"entity": "feed", "percent": 0.1, "peg": True}
    [override] = found.watch["overrides"]
    assert (override["feed"], override["peg"]["value"]) == ("USDC / USD", 100000000)


def test_a_stablecoin_is_held_to_its_peg_by_the_name_that_its_row_has_elsewhere() -> None:
    rows = [("0xa0", "USDC", 0.9998), ("0xc0", "WETH", 1.01), ("0xbb", "USDX", 0.4), ("0xdd", "steakUSDC", 1.02)]
    found = proposal(table("prices", "token text, symbol text, price float", "token", rows=rows))
    assert [override["token"] for override in found.watch["overrides"]] == ["0xa0", "0xdd"]
    assert found.notes == ("held to a peg of 1: USDC, steakUSDC",)


def test_a_key_of_more_columns_than_rtp_goes_by_is_said_with_a_column_that_would_do() -> None:
    columns = "protocol text, chain text, token text, tvl numeric, day date"
    [unfit] = proposals(table("tvl", columns, "protocol chain token day")).unfit
    assert unfit.reason == "protocol has a row for each token, and rtp goes by one column beside the chain"
    assert 'GENERATED ALWAYS AS ("protocol" || \':\' || "token") STORED' in unfit.remedy


def test_what_a_row_measures_in_another_column_cannot_be_told_apart() -> None:
    [unfit] = proposals(table("facts", "protocol text, metric text, value numeric, at ts", "protocol metric at")).unfit
    assert unfit.reason == "what a row measures stands in metric, and rtp watches all rows of a table"


def test_of_latest_values_and_their_history_the_latest_are_watched() -> None:
    rows: list[tuple[object, ...]] = [("lido", NOW, 1)]
    latest = table("tvl", "protocol text, updated_at ts, tvl numeric", "protocol", rows=rows)
    history = table("tvl_history", "protocol text, ts ts, tvl numeric", "protocol ts", rows=rows)
    found = proposals(history, latest)
    assert [one.place for one in found.watches] == ["public.tvl.tvl"]
    assert found.watches[0].history is not None
    assert [one.reason for one in found.unfit] == ["public.tvl.tvl has the same, and one of them is enough"]


ALIKE = "token text, price numeric, updated_at ts"


@pytest.mark.parametrize(
    ("better", "why"),
    [
        (
            {"newest": {"updated_at": NOW + timedelta(days=7)}},
            f"and newer rows (of {NOW + timedelta(days=7):%Y-%m-%d}, not {NOW:%Y-%m-%d})",
        ),
        ({"rows": 5000}, "and more rows (5,000, not 40)"),
    ],
)
def test_of_tables_that_are_alike_the_one_in_use_is_proposed_and_it_is_said_why(
    better: dict[str, Any], why: str
) -> None:
    rows: list[tuple[object, ...]] = [("eth", 1, NOW)]
    older = replace(table("old.prices", ALIKE, "token", rows=rows), rows=40, newest={"updated_at": NOW})
    found = proposals(older, replace(older, schema="public", **better))
    assert [one.place for one in found.watches] == ["public.prices.price"]
    [double] = found.unfit
    assert double.reason == f"public.prices.price has the same {why}, and one of them is enough"
    assert double.remedy == "To watch this one, name it: --table old.prices"


def test_where_nothing_tells_them_apart_the_first_by_name_is_proposed() -> None:
    one = table("a.prices", "token text, price numeric", "token", rows=[("eth", 1)])
    [double] = proposals(replace(one, schema="b"), one).unfit
    assert double.reason == "a.prices.price has the same and comes first by its name, and one of them is enough"


def test_a_table_with_a_dot_in_its_name_is_to_be_renamed_whatever_else_is_in_its_way() -> None:
    dotted = replace(
        TVL, schema="my.data", obstacle="role r may not read it", remedy="GRANT SELECT ON my.data.tvl TO r"
    )
    [unfit] = proposals(dotted).unfit
    assert (unfit.reason, unfit.remedy) == ("a settings file cannot say a name with a dot in it", "Rename it")


def test_values_of_other_entities_are_watched_too() -> None:
    one = table("dex.prices", "token text, price numeric", "token", rows=[("eth", 1)])
    other = table("cex.prices", "token text, price numeric", "token", rows=[("btc", 1)])
    assert [found.name for found in proposals(one, other).watches] == ["cex_prices", "dex_prices"]


def test_what_describes_protocols_is_watched_for_changes() -> None:
    found = proposal(table("protocols", "id integer, slug text, name text, category text, url text", "id", "slug"))
    assert found.watch == {
        "kind": "protocol",
        "table": "public.protocols",
        "watched": ["name", "category", "url"],
        "columns": {"protocol": "slug"},
    }


@pytest.mark.parametrize(
    "one",
    [
        table("products", "id integer, sku text, name text, price numeric", "id", "sku"),
        table("orders", "id integer, customer text, price numeric, volume numeric, created_at ts", "id"),
        table("users", "id integer, name text, email text", "id", "email"),
        table("fields", "name text, yield numeric", "name"),
        table("django_migrations", "id bigint, app text, name text, applied ts", "id"),
    ],
)
def test_a_table_of_another_trade_is_left_alone(one: FoundTable) -> None:
    found = proposals(one)
    assert (found.watches, found.unfit, found.plain) == ((), (), (one.place,))


def test_what_is_in_the_way_of_a_watch_is_said_with_its_remedy() -> None:
    [unfit] = proposals(replace(TVL, obstacle="analytics.protocol_tvl is a hypertable", remedy="Watch another")).unfit
    assert (unfit.reason, unfit.remedy) == ("analytics.protocol_tvl is a hypertable", "Watch another")


@pytest.mark.parametrize(
    ("hours", "session", "zone"),
    [(0, "UTC", "UTC"), (1, "Europe/Berlin", "Europe/Berlin"), (2, "UTC", "Etc/GMT-2"), (-48, "Europe/Berlin", "UTC")],
)
def test_the_zone_of_times_without_one_is_the_one_in_which_the_newest_is_now(
    hours: int, session: str, zone: str
) -> None:
    newest = NOW.replace(tzinfo=None) + timedelta(hours=hours)
    assert zone_of(newest, NOW, session)[0] == zone


@pytest.mark.parametrize(
    ("ahead", "session", "zone"),
    [
        (timedelta(hours=8, minutes=40), "UTC", "Etc/GMT-9"),
        (timedelta(hours=5, minutes=30), "UTC", "Etc/GMT-6"),
        (timedelta(minutes=30), "Europe/Berlin", "Europe/Berlin"),
        (timedelta(hours=20), "UTC", "UTC"),
    ],
)
def test_no_zone_is_taken_in_which_the_newest_time_is_ahead_of_the_clock(
    ahead: timedelta, session: str, zone: str
) -> None:
    newest = NOW.replace(tzinfo=None) + ahead
    assert zone_of(newest, NOW, session)[0] == zone


def test_a_zone_is_said_where_a_time_has_none() -> None:
    one = table(
        "tvl",
        "slug text, tvl numeric, updated_at zoneless",
        "slug",
        newest={"updated_at": datetime(2026, 11, 27, 11, 59)},
    )
    found = proposal(one)
    assert found.watch["timezone"] == "UTC"
    assert found.notes == ("updated_at has no time zone, and is read as UTC: its newest time is now, taken as UTC",)


@pytest.mark.parametrize(
    ("per_minute", "said"),
    [
        (312.0, "updated 300 times a minute"),
        (1.0, "updated once a minute"),
        (0.1, "updated 6 times an hour"),
        (0.0, "not updated so far"),
    ],
)
def test_a_rate_is_said_in_the_unit_that_people_would_choose(per_minute: float, said: str) -> None:
    assert often(per_minute, "updated") == said


def test_every_proposal_is_a_setting_that_rtp_takes() -> None:
    found = proposals(
        TVL,
        table(
            "markets", "marketId integer, supplyApy numeric, totalSupply numeric, utilizationRate numeric", "marketId"
        ),
        table("feeds", "feed text, answer bigint", "feed", rows=[("USDC / USD", 99990000)]),
        table("protocols", "slug text, name text, url text", "slug"),
    ).watches
    text = settings_text(found, "defi")
    assert yaml.safe_load(text) == document_of(found)
    assert set(Settings.model_validate(document_of(found)).watches) == {one.name for one in found}


_names = st.one_of(
    st.sampled_from(
        [
            "tvl",
            "price",
            "apy",
            "Chain",
            "token",
            "updated_at",
            "id",
            "symbol",
            "pool",
            "value",
            "metric",
            "#x: y",
            "a.b",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12),
)
_columns = st.lists(
    st.tuples(_names, st.sampled_from(["text", "numeric", "bigint", "date", "jsonb"])),
    min_size=1,
    max_size=8,
    unique_by=lambda one: one[0],
)


@given(st.lists(st.tuples(_names, _columns, st.data()), min_size=1, max_size=4, unique_by=lambda one: one[0]))
def test_whatever_a_database_calls_things_its_proposals_are_settings(
    drawn: Sequence[tuple[str, Any, st.DataObject]],
) -> None:
    tables = []
    for name, columns, data in drawn:
        names = [column for column, _ in columns]
        key = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
        rows = ({column: data.draw(st.sampled_from(["1", "usdc", "99990000", None])) for column in names},)
        tables.append(
            FoundTable(
                "public", name, tuple(FoundColumn(*one) for one in columns), frozenset({frozenset(key)}), sample=rows
            )
        )
    found = propose(Picture("defi", "rtp_owner", tuple(tables), NOW)).watches
    if found:
        assert yaml.safe_load(settings_text(found, "defi\n")) == document_of(found)
        Settings.model_validate(document_of(found))
