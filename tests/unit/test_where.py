"""`where:` picks a watch's items out of a table, and Lambda's event filtering picks the same by its patterns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SettingsError
from core.handler.filters import MOST_FILTERS, filter_patterns
from core.handler.where import item_filter
from core.settings.models import Settings
from core.sinks.settings import load_settings
from loadtests.benchmarks.handler.event_filtering import passing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COLUMNS = {"token": "token", "value": "price_usd"}
TEXTS = st.sampled_from(("live", "paused", "PRICE#1", "PRICE#", "", "5"))
NUMBERS = st.sampled_from((0, 5, 5.5, -1))
VALUES = TEXTS | NUMBERS | st.booleans()
ATTRIBUTES = ("type", "data", "data.state", "data.in.size")


def settings_with(*wheres: Any) -> Settings:
    """One table, and a watch for each `where`."""
    watches = {
        f"w{number}": {"kind": "price", "table": f"t{number}", "columns": COLUMNS} for number in range(len(wheres))
    }
    tables = {
        f"w{number}": {"table": "one"} | ({} if where is None else {"where": where})
        for number, where in enumerate(wheres)
    }
    return Settings.model_validate({"watches": watches, "dynamodb": {"tables": tables}})


def takes(where: Any, item: Mapping[str, Any]) -> bool:
    written = settings_with(where).dynamodb.tables["w0"].where
    return written is not None and item_filter(written).holds(item)


def typed(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


OTHERS = st.sampled_from(({"NULL": True}, {"B": "AAE="}, {"L": [{"S": "live"}]}, {"SS": ["live"]}, {"M": {}}))
SCALARS = VALUES.map(typed) | OTHERS


def images(depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    inner = SCALARS if depth == 0 else SCALARS | images(depth - 1).map(lambda members: {"M": members})
    return st.dictionaries(st.sampled_from(("type", "data", "state", "in", "size")), inner, max_size=4)


NOT = st.lists(TEXTS, min_size=1, max_size=2) | st.lists(NUMBERS, min_size=1, max_size=2) | TEXTS
CONDITION = st.one_of(
    VALUES,
    st.sampled_from(({"prefix": "PRICE#"}, {"prefix": "p"}, {"suffix": "1"}, {"suffix": "ve"})),
    st.booleans().map(lambda there: {"exists": there}),
    NOT.map(lambda values: {"not": values}),
)
CONDITIONS = st.dictionaries(
    st.sampled_from(ATTRIBUTES), CONDITION | st.lists(CONDITION, min_size=1, max_size=3), min_size=1, max_size=3
)
WHERE = CONDITIONS | st.lists(CONDITIONS, min_size=1, max_size=2)


@given(wheres=st.lists(WHERE, min_size=1, max_size=2), new=st.none() | images(), old=st.none() | images())
def test_lambda_hands_over_exactly_the_records_of_which_an_image_fits(
    wheres: list[Any], new: dict[str, Any] | None, old: dict[str, Any] | None
) -> None:
    try:
        patterns = filter_patterns(settings_with(*wheres), "one")
    except SettingsError:
        return  # it has more to say than there is room for
    found = {"NewImage": new, "OldImage": old}
    record = {"dynamodb": {name: image for name, image in found.items() if image is not None}}
    # An image that is not there has no attributes: the only ones that it can fit are those that ask for none.
    assert passing(patterns)(record) is any(takes(where, image or {}) for where in wheres for image in (new, old))


@pytest.mark.parametrize(
    ("where", "item"),
    [
        ({"type": "price"}, {"type": {"S": "price"}}),
        ({"type": ["price", "tvl"]}, {"type": {"S": "tvl"}}),
        ({"size": 5}, {"size": {"N": "5"}}),
        ({"live": True}, {"live": {"BOOL": True}}),
        ({"sk": {"prefix": "PRICE#"}}, {"sk": {"S": "PRICE#usdc"}}),
        ({"sk": {"suffix": "#usdc"}}, {"sk": {"S": "PRICE#usdc"}}),
        ({"state": {"not": ["draft", "old"]}}, {"state": {"S": "live"}}),
        ({"deleted": {"exists": False}}, {"type": {"S": "price"}}),
        ({"deleted": {"exists": True}}, {"deleted": {"NULL": True}}),
        ({"data.state": "live"}, {"data": {"M": {"state": {"S": "live"}}}}),
        ([{"type": "price"}, {"kind": "price"}], {"kind": {"S": "price"}}),
    ],
)
def test_an_item_that_fits_is_a_watchs(where: Any, item: dict[str, Any]) -> None:
    assert takes(where, item)


@pytest.mark.parametrize(
    ("where", "item"),
    [
        ({"type": "price"}, {}),
        ({"type": "5"}, {"type": {"N": "5"}}),
        ({"size": 5}, {"size": {"S": "5"}}),
        ({"live": True}, {"live": {"BOOL": False}}),
        ({"type": "price", "live": True}, {"type": {"S": "price"}}),
        ({"state": {"not": "draft"}}, {}),
        ({"deleted": {"exists": False}}, {"deleted": {"S": ""}}),
        ({"data.state": "live"}, {"data.state": {"S": "live"}}),
        ({"data.state": "live"}, {"data": {"S": "live"}}),
    ],
)
def test_an_item_that_does_not_fit_is_none_of_the_watchs(where: Any, item: dict[str, Any]) -> None:
    assert not takes(where, item)


def test_a_table_of_which_one_watch_takes_every_item_has_no_filter() -> None:
    assert filter_patterns(settings_with({"type": "price"}, None), "one") == ()


def test_few_conditions_are_a_plain_filter_for_each_image() -> None:
    assert filter_patterns(settings_with({"type": "price"}), "one") == (
        '{"dynamodb":{"NewImage":{"type":{"S":["price"]}}}}',
        '{"dynamodb":{"OldImage":{"type":{"S":["price"]}}}}',
    )


def test_many_watches_of_a_table_share_the_filters_that_a_mapping_may_have() -> None:
    patterns = filter_patterns(settings_with(*({"type": f"kind{number}"} for number in range(9))), "one")
    assert len(patterns) == MOST_FILTERS
    assert all(passing(patterns)({"dynamodb": {"OldImage": {"type": {"S": f"kind{number}"}}}}) for number in range(9))
    assert not passing(patterns)({"dynamodb": {"NewImage": {"type": {"S": "kind9"}}}})


def test_watches_that_want_the_same_items_share_a_filter() -> None:
    assert len(filter_patterns(settings_with({"type": "price"}, {"type": "price"}), "one")) == 2


def test_more_than_filters_can_hold_is_refused() -> None:
    with pytest.raises(SettingsError, match="`where` of table one has more to say than Lambda's 5 filters of 4096"):
        filter_patterns(settings_with({"type": ["x" * 900 + str(number) for number in range(9)]}), "one")


def test_an_attribute_called_like_an_operator_is_refused_where_lambda_would_confuse_them() -> None:
    assert filter_patterns(settings_with({"prefix": "x"}), "one")
    with pytest.raises(SettingsError, match="names an attribute prefix, which Lambda's filters have a word for"):
        filter_patterns(settings_with({"prefix": "x", "type": {"exists": True}}), "one")


def test_settings_that_are_written_out_are_read_back_as_they_were() -> None:
    settings = settings_with({"data.state": ["live", 5, 0.5, True], "sk": {"prefix": "P"}, "a": {"not": ["b", "c"]}})
    assert Settings.model_validate(json.loads(json.dumps(settings.own_document()))).dynamodb == settings.dynamodb


@pytest.mark.parametrize(
    ("where", "complaint"),
    [
        ("", "must be a mapping of attributes to what they must be, or a list of such mappings"),
        ("{}", "must be a mapping of attributes to what they must be, or a list of such mappings"),
        ("[]", "must hold 1 to 20 sets of conditions"),
        ("{a..b: x}", "has 'a..b' for an attribute. Write its name, or a path like data.state"),
        ("{$or: x}", "names an attribute $or, which is a word of Lambda's filters. Choose another attribute"),
        ("{a: {at_least: 5}}", "has something else for a, which must be a value, a list of values, or one of"),
        ("{a: {prefix: 5}}", "has no text for a's prefix. Write some, in quotes where YAML takes it for a number"),
        ("{a: {exists: maybe}}", "has neither true nor false for a's exists"),
        ("{a: {not: [x, 5]}}", "must have texts only, or numbers only, for a's not"),
        ("{a: 1" + "0" * 39 + "}", "has a number for a that DynamoDB cannot hold"),
        ("{a: []}", "has 0 values for a. Write 1 to 100"),
        ("{a: [{b: c, d: e}]}", "has something else for a, which must be a value, a list of values, or one of"),
        ("{a: null}", "has nothing for a, which must be a value, a list of values, or one of"),
    ],
)
def test_a_wrong_condition_is_one_line_with_its_place(tmp_path: Path, where: str, complaint: str) -> None:
    config = tmp_path / "rtp.yaml"
    config.write_text(
        "watches: {prices: {kind: price, table: prices, columns: {token: token, value: price_usd}}}\n"
        f"dynamodb:\n  tables:\n    prices:\n      table: one\n      where: {where}\n"
    )
    with pytest.raises(SettingsError) as caught:
        load_settings(config, environ={}, options={})
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{config}:6: dynamodb.tables.prices.where: {complaint}")
