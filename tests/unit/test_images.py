"""What a stream record says of a watch's entities, by its event name, its images, its writer and `where`."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from core.errors import EventRejected
from core.handler.images import watched_tables
from core.settings.models import Settings
from tests.dynamodb import NOON, Table, expired

if TYPE_CHECKING:
    from core.handler.change import Change

PRICE: dict[str, Any] = {"kind": "price", "table": "prices", "columns": {"token": "token", "value": "price_usd"}}
LATER = NOON + timedelta(minutes=5)
PROTOCOL: dict[str, Any] = {
    "kind": "protocol",
    "table": "protocols",
    "watched": ["name", "url"],
    "columns": {"protocol": "protocol"},
}


def changes(
    record: dict[str, Any], watch: dict[str, Any] = PRICE, notes: Counter[str] | None = None, **table: Any
) -> list[Change]:
    settings = Settings.model_validate(
        {"watches": {"watch": watch}, "dynamodb": {"tables": {"watch": {"table": "one", **table}}}}
    )
    (watched,) = watched_tables(settings)["one"]
    return watched.changes(record, 0, Counter() if notes is None else notes)


def said(found: list[Change]) -> list[tuple[str, str, str | None]]:
    return [(change.what, change.key[1], change.deletedby) for change in found]


def number(text: str) -> dict[str, str]:
    return {"N": text}


@pytest.fixture
def one() -> Table:
    return Table("one", ("token",))


@pytest.mark.parametrize(
    ("name", "images", "reason"),
    [
        ("MODIFY", ("NewImage",), "a record of MODIFY has NewImage, not NewImage and OldImage"),
        ("MODIFY", ("OldImage",), "a record of MODIFY has OldImage, not NewImage and OldImage"),
        ("MODIFY", (), "a record of MODIFY has no image, not NewImage and OldImage"),
        ("INSERT", (), "a record of INSERT has no image, not NewImage"),
        ("INSERT", ("NewImage", "OldImage"), "a record of INSERT has NewImage and OldImage, not NewImage"),
        ("REMOVE", ("NewImage",), "a record of REMOVE has NewImage, not OldImage"),
        ("UPSERT", ("NewImage",), "the record's eventName is UPSERT, not INSERT or MODIFY or REMOVE"),
    ],
)
def test_a_record_whose_images_do_not_fit_its_event_name_is_refused(
    one: Table, name: str, images: tuple[str, ...], reason: str
) -> None:
    one.put(token="usdc", price_usd=number("1"))
    record = one.put(token="usdc", price_usd=number("2"))
    for image in {"NewImage", "OldImage"} - set(images):
        del record["dynamodb"][image]
    with pytest.raises(EventRejected, match=reason):
        changes(record | {"eventName": name})


def test_a_deletion_by_the_time_to_live_is_marked(one: Table) -> None:
    one.put(token="usdc", price_usd=number("1"))
    assert said(changes(expired(one.delete(token="usdc")))) == [("deleted", "usdc", "ttl")]


def test_it_is_marked_as_the_stream_itself_spells_it_too(one: Table) -> None:
    one.put(token="usdc", price_usd=number("1"))
    identity = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    assert said(changes(one.delete(token="usdc") | {"userIdentity": identity})) == [("deleted", "usdc", "ttl")]


def test_a_deletion_by_a_writer_is_not_marked(one: Table) -> None:
    one.put(token="usdc", price_usd=number("1"))
    assert said(changes(one.delete(token="usdc"))) == [("deleted", "usdc", None)]


def test_a_deletion_by_the_time_to_live_is_nothing_where_the_settings_say_so(one: Table) -> None:
    notes = Counter[str]()
    one.put(token="usdc", price_usd=number("1"))
    assert changes(expired(one.delete(token="usdc")), notes=notes, on_ttl="ignore") == []
    assert notes == {"expired": 1}


def test_a_writers_deletion_is_one_where_the_time_to_lives_are_not(one: Table) -> None:
    one.put(token="usdc", price_usd=number("1"))
    assert said(changes(one.delete(token="usdc"), on_ttl="ignore")) == [("deleted", "usdc", None)]


def test_metadata_that_the_time_to_live_removed_is_marked(one: Table) -> None:
    one.put(token="x", protocol="lido", name="Lido")
    (change,) = changes(expired(one.delete(token="x")), PROTOCOL)
    assert (change.reason, change.deletedby) == ("removed", "ttl")


TOLD = PRICE | {"columns": {**PRICE["columns"], "confidence": "confidence", "provenance": "source"}}


def test_an_item_whose_value_cannot_be_read_is_deleted_like_any_other_and_testifies(one: Table) -> None:
    one.put(token="usdc", price_usd="many", confidence=number("0.5"), source="feed")
    (change,) = changes(one.delete(token="usdc", at=LATER), TOLD)
    assert (change.what, change.key, change.before) == ("deleted", ("all", "usdc"), None)
    assert change.sample.testimony == (LATER, 0.5, "feed")


def test_an_item_that_gets_another_name_has_been_called_otherwise_even_where_its_value_could_not_be_read(
    one: Table,
) -> None:
    one.put(token="usdc", price_usd="many", name="a")
    record = one.put(token="usdc", price_usd=number("1"), name="b")
    named = PRICE | {"columns": {"token": "name", "value": "price_usd"}}
    (change,) = changes(record, named)
    assert (change.what, change.key, change.former, change.before) == ("sample", ("all", "b"), ("all", "a"), None)


def test_an_item_whose_key_cannot_be_read_is_nobodys_when_it_is_deleted(one: Table) -> None:
    one.put(token="usdc", price_usd=number("1"))
    assert changes(one.delete(token="usdc"), PRICE | {"columns": {"token": "name", "value": "price_usd"}}) == []


DATED = PROTOCOL | {"columns": {"protocol": "protocol", "changed_at": "time"}}


def test_metadata_is_removed_when_the_item_is_not_when_it_last_changed(one: Table) -> None:
    one.put(token="x", protocol="lido", name="Lido", time="2020-01-01T00:00:00Z")
    (change,) = changes(one.delete(token="x", at=LATER), DATED)
    assert (change.reason, change.sample.testimony.changed_at) == ("removed", LATER)


def test_metadata_of_which_something_could_not_be_read_has_changed_and_was_not_added(one: Table) -> None:
    one.put(token="x", protocol="lido", name="Lido", time="yesterday")
    (change,) = changes(one.put(token="x", protocol="lido", name="LIDO", time="2020-01-01T00:00:00Z"), DATED)
    assert (change.reason, change.fields) == ("changed", {"name": {"previous": "Lido", "current": "LIDO"}})


WHERE: dict[str, Any] = {"where": {"type": "price"}}


def test_an_item_of_another_type_is_none_of_the_watchs(one: Table) -> None:
    notes = Counter[str]()
    assert changes(one.put(token="usdc", type="user"), notes=notes, **WHERE) == []
    assert notes == {"elsewhere": 1}


def test_an_item_that_cannot_be_read_as_the_watchs_is_refused_only_where_it_is_the_watchs(one: Table) -> None:
    assert changes(one.put(token="usdc", type="user", price_usd="many"), **WHERE) == []
    with pytest.raises(EventRejected, match="attribute price_usd is not a number"):
        changes(one.put(token="usdc", type="price", price_usd="many"), **WHERE)


def test_an_item_that_leaves_the_watch_is_deleted(one: Table) -> None:
    one.put(token="usdc", type="price", price_usd=number("1"))
    assert said(changes(one.put(token="usdc", type="draft", price_usd=number("1")), **WHERE)) == [
        ("deleted", "usdc", None)
    ]


def test_an_item_that_enters_the_watch_is_new(one: Table) -> None:
    one.put(token="usdc", type="draft", price_usd=number("1"))
    (change,) = changes(one.put(token="usdc", type="price", price_usd=number("2")), **WHERE)
    assert (change.what, change.sample.value, change.before) == ("sample", Decimal(2), None)


@pytest.mark.parametrize(("before", "after", "reason"), [("draft", "live", "added"), ("live", "draft", "removed")])
def test_metadata_that_enters_or_leaves_the_watch_is_added_or_removed(
    one: Table, before: str, after: str, reason: str
) -> None:
    one.put(token="x", protocol="lido", name="Lido", state=before)
    record = one.put(token="x", protocol="lido", name="Lido", state=after)
    assert [change.reason for change in changes(record, PROTOCOL, where={"state": "live"})] == [reason]


def test_a_value_is_read_from_within_maps(one: Table) -> None:
    nested = {"M": {"price": {"M": {"usd": number("1.5")}}}}
    (change,) = changes(one.put(token="usdc", data=nested), attributes={"value": "data.price.usd"})
    assert change.sample.value == Decimal("1.5")


def test_a_name_with_a_dot_is_written_as_a_list(one: Table) -> None:
    dotted: dict[str, Any] = {"price.usd": number("1.5")}
    record = one.put(token="usdc", **dotted)
    (change,) = changes(record, attributes={"value": ["price.usd"]})
    assert change.sample.value == Decimal("1.5")


@pytest.mark.parametrize("data", [{"NULL": True}, {"M": {}}, {"M": {"price": {"NULL": True}}}])
def test_what_is_not_there_within_maps_is_no_value(one: Table, data: dict[str, Any]) -> None:
    (change,) = changes(one.put(token="usdc", data=data), attributes={"value": "data.price.usd"})
    assert change.sample.value is None


def test_what_is_no_map_on_the_way_is_refused(one: Table) -> None:
    record = one.put(token="usdc", data="1.5")
    with pytest.raises(EventRejected, match=r"attribute data\.price is inside something of type S, not a map"):
        changes(record, attributes={"value": "data.price"})


def test_watched_columns_are_read_from_within_maps(one: Table) -> None:
    record = one.put(token="x", protocol="lido", name="no", meta={"M": {"title": {"S": "Lido"}}})
    (change,) = changes(record, PROTOCOL, attributes={"watched": {"name": "meta.title"}})
    assert change.fields == {"name": {"previous": None, "current": "Lido"}}


def test_an_item_under_a_former_name_is_the_entitys_of_today_and_no_other_one_once_it_has_that_name() -> None:
    table = Table("one", ("id",))
    watch = PRICE | {"aliases": {"usdc-old": "usdc"}}
    table.put(id="1", token="usdc-old", price_usd=number("1"))
    found = changes(table.put(id="1", token="usdc", price_usd=number("2")), watch)
    assert said(found) == [("sample", "usdc", None)]
    assert found[0].before is not None
    assert found[0].before.value == 1
