"""The section `notify` of the settings: who is told of what, where and how often."""

from __future__ import annotations

import json
from datetime import time, timedelta
from typing import TYPE_CHECKING

import pytest

from core.errors import SettingsError
from core.settings.models import Settings
from core.settings.rhythm import MessageLimit, Quiet
from core.sinks.settings import load_settings
from rtp_client.event import Severity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.settings.notify import Audience

    Load = Callable[[str], Settings]

TVL = "watches: {tvl: {kind: tvl, table: tvl, columns: {protocol: protocol, value: tvl_usd}}}\n"
SECRET = "hunter2"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a file with these lines of `notify` from its third line on."""

    def load(lines: str) -> Settings:
        file = tmp_path / "my.yaml"
        file.write_text(f"{TVL}notify:\n{lines}\n", encoding="utf-8")
        return load_settings(file, environ={}, options={})

    return load


@pytest.fixture
def desk(load: Load) -> Callable[[str], Audience]:
    """The audience `desk` with this line besides (line 5)."""
    return lambda line: load(f"  - name: desk\n    to: json://localhost\n    {line}").notify[0]


def complaint(load: Load, lines: str) -> str:
    with pytest.raises(SettingsError) as refusal:
        load(lines)
    return refusal.value.message.rpartition("my.yaml:")[2]


def of_desk(load: Load, line: str) -> str:
    return complaint(load, f"  - name: desk\n    to: json://localhost\n    {line}").removeprefix("5: notify[0].")


def test_without_the_section_nobody_is_told(load: Load) -> None:
    assert load("").notify == ()


def test_a_destination_is_named_after_its_audience_and_its_place_unless_it_has_a_name(load: Load) -> None:
    (desk,) = load("  - {name: desk, to: [{env: A}, {url: json://b, name: bot}, json://c]}").notify
    assert list(desk.destinations) == ["desk/1", "bot", "desk/3"]


def test_one_destination_needs_no_list(load: Load) -> None:
    assert list(load("  - {name: desk, to: {env: A, limit: 1/s}}").notify[0].destinations) == ["desk/1"]


def test_an_address_comes_from_the_environment(load: Load) -> None:
    (destination,) = load("  - {name: desk, to: {env: DESK_URL}}").notify[0].to
    assert destination.address({"DESK_URL": " tgram://token/chat\n"}) == "tgram://token/chat"


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({}, "names the environment variable DESK_URL, which is not set"),
        ({"DESK_URL": SECRET}, "what the environment variable DESK_URL holds must be an address as Apprise takes it"),
    ],
)
def test_a_variable_that_holds_no_address_is_named_with_its_line(load: Load, held: dict[str, str], said: str) -> None:
    (destination,) = load("  - name: desk\n    to:\n      - env: DESK_URL").notify[0].to
    with pytest.raises(SettingsError, match=said) as refusal:
        destination.address(held)
    assert "my.yaml:5: notify" in str(refusal.value)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "to",
    [
        SECRET,
        f"{{url: {SECRET}}}",
        f"[{SECRET}]",
        f"{{url: [{SECRET}]}}",
        f"[[{SECRET}]]",
        f"{{url: 'x://a {SECRET}'}}",
    ],
)
def test_what_should_have_been_an_address_is_never_shown(load: Load, to: str) -> None:
    told = complaint(load, f"  - {{name: desk, to: {to}}}")
    assert told.startswith("3: notify[0].to")
    assert SECRET not in told


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("{env: A, url: json://b}", "notify[0].to[0]: has env and url. Keep one of them"),
        ("{name: bot}", "notify[0].to[0]: has no address. Give it env: NAME"),
        ("[]", "notify[0].to: must not be empty"),
    ],
)
def test_a_destination_without_one_address_is_refused(load: Load, to: str, said: str) -> None:
    assert said in complaint(load, f"  - {{name: desk, to: {to}}}")


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        ("20/min", MessageLimit(20, timedelta(minutes=1))),
        ("1/s", MessageLimit(1, timedelta(seconds=1))),
        ("500 / d", MessageLimit(500, timedelta(days=1))),
        ("off", "off"),
    ],
)
def test_a_limit_is_so_many_messages_in_a_time(desk: Callable[[str], Audience], written: str, limit: object) -> None:
    assert desk(f"limit: {written}").limit == limit


@pytest.mark.parametrize("written", ["20", "0/min", "20/minute", "1.5/s", "-1/h", "/h", "true"])
def test_another_limit_is_refused(load: Load, written: str) -> None:
    assert "limit: must be so many messages in a time, like 20/min" in of_desk(load, f"limit: {written}")


@pytest.mark.parametrize(
    ("written", "quiet"),
    [
        (
            "22:00-07:00 Europe/Zurich unless critical",
            Quiet(time(22), time(7), "Europe/Zurich", Severity.CRITICAL),
        ),
        ("'9:30 - 24:00 America/New_York'", Quiet(time(9, 30), time(0), "America/New_York")),
        ("22:00-07:00", Quiet(time(22), time(7), "UTC")),
        ("22:00-07:00 unless warning", Quiet(time(22), time(7), "UTC", Severity.WARNING)),
    ],
)
def test_quiet_hours_have_a_zone_and_an_exemption(desk: Callable[[str], Audience], written: str, quiet: Quiet) -> None:
    assert desk(f"quiet: {written}").quiet == quiet


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("night", 'must be hours and a time zone, like "22:00-07:00 Europe/Zurich unless critical", not night'),
        ("22:00-25:00", "must be hours like 22:00-07:00: 25:00 is no time of the day"),
        ("22:00-22:00", "must end at another time of the day than they begin"),
        ("22:00-07:00 Europe/Zurch", "time zone, like UTC or Europe/Berlin (did you mean Europe/Zurich?)"),
        ("22:00-07:00 unless info", "must end in `unless critical` or `unless warning`, or have no `unless`"),
        ("22:00-07:00 UTC except critical", "must be hours and a time zone"),
    ],
)
def test_other_quiet_hours_are_refused(load: Load, written: str, said: str) -> None:
    assert said in of_desk(load, f"quiet: {written}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("digest: 0s", "digest: must be 1s or more"),
        ("digest: 2d", "digest: must be 1d or less"),
        ("digest: 30", "digest: must be a duration, like 500ms, 30s, 5m, 1h or 1d, not 30"),
        ("give_up_after: 8d", "give_up_after: must be 7d or less"),
        ("match: {severity: loud}", "match.severity: must be one of info, warning, critical, not loud"),
        ("match: {pool: x}", "match.pool: unknown key"),
        ("templates: x", "templates: unknown key. Did you mean template?"),
        (
            "template: desk.jinja",
            "template: must be text, markdown, html, or a file that ends in .txt.j2, .md.j2, .html.j2",
        ),
        ("unless_acknowledged: 1s", "unless_acknowledged.after: must be 10s or more"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_its_place(load: Load, line: str, said: str) -> None:
    assert of_desk(load, line).startswith(said)


BOSS = "  - {name: boss, to: json://localhost"


def test_a_time_alone_escalates_to_the_audience_that_follows(load: Load) -> None:
    desk, _boss = load(
        f"  - {{name: desk, to: json://a, unless_acknowledged: 10m}}\n{BOSS}, only_escalated: true}}"
    ).notify
    assert desk.unless_acknowledged is not None
    assert (desk.unless_acknowledged.after, desk.tells) == (timedelta(minutes=10), ("boss",))


@pytest.mark.parametrize(
    ("desk", "boss", "said"),
    [
        (
            "",
            ", unless_acknowledged: 10m",
            "4: notify[1].unless_acknowledged: tells the audience that follows, and none",
        ),
        (", unless_acknowledged: {after: 10m, tell: bos}", "", "bos is no audience. Did you mean boss?"),
        (", unless_acknowledged: {after: 10m, tell: desk}", "", "leads back to desk, which would be told for ever"),
        (", unless_acknowledged: 10m", ", unless_acknowledged: {after: 10m, tell: desk}", "leads back to boss"),
        ("", ", only_escalated: true", "4: notify[1].only_escalated: is true, and no audience's unless_acknowledged"),
    ],
)
def test_an_escalation_that_leads_nowhere_is_refused(load: Load, desk: str, boss: str, said: str) -> None:
    assert said in complaint(load, f"  - {{name: desk, to: json://a{desk}}}\n{BOSS}{boss}}}")


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("name: desk, to: json://b", "notify[1].name: desk is another audience's name, too"),
        ("name: boss, to: {url: json://b, name: bot}", "to[0].name: bot is the name of another destination"),
        (
            "name: boss, to: {url: json://b, name: desk}",
            "to[0].name: desk is the name of another destination or an aud",
        ),
    ],
)
def test_a_name_that_is_taken_is_refused(load: Load, second: str, said: str) -> None:
    assert said in complaint(load, f"  - {{name: desk, to: {{url: json://a, name: bot}}}}\n  - {{{second}}}")


def test_the_settings_as_a_document_name_the_variable_and_not_what_it_holds(load: Load) -> None:
    lines = "  - {name: desk, to: [{env: A}], quiet: 22:00-07:00, limit: 20/min, digest: 30s, unless_acknowledged: 10m}"
    document = json.loads(json.dumps(load(f"{lines}\n{BOSS}, limit: off}}").own_document()))
    assert document["notify"][0]["to"][0]["url"] == {"env": "A"}
    assert json.loads(json.dumps(Settings.model_validate(document).own_document())) == document
