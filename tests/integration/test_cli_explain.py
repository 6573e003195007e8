"""`rtp explain`: the rule in force and its origins, what is remembered, the value now, and what was reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from cli.output import out
from core.settings.models import Settings, postgres_dsn
from tests.command import Command, Done
from tests.judging import judge_waiting
from tests.tvl_table import write
from tests.watching import TVL, install

HISTORY = {
    "kind": "tvl",
    "table": "tvl_history",
    "shape": "history",
    "columns": {"chain": "chain", "protocol": "protocol", "value": "usd", "changed_at": "at"},
}
PEGGED = {
    "kind": "price",
    "table": "price_history",
    "shape": "history",
    "percent": 10,
    "peg": {"value": 1, "deviation_bps": 50},
    "columns": {"chain": "chain", "token": "token", "value": "usd", "changed_at": "at"},
}

Explain = Callable[..., Done]
Entities = Callable[..., list[Any]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setattr(out, "width", 200)
    return Command(capsys, monkeypatch)


@pytest.fixture
def explain(command: Command, installed: Settings, writer: psycopg.Connection, tmp_path: Path) -> Explain:
    """Runs `rtp explain` for a protocol, with these watches as the settings (default: those of the default file)."""

    def run(protocol: str, *arguments: str, kind: str = "tvl", **watches: dict[str, Any]) -> Done:
        path = tmp_path / "rtp.yaml"
        path.write_text(yaml.safe_dump({"watches": watches}), encoding="utf-8")
        config = ["--config", str(path)] if watches else []
        given = ["--kind", kind, "--protocol", protocol, "--postgres-dsn", postgres_dsn(installed)]
        return command("explain", *given, *config, *arguments)

    return run


@pytest.fixture
def entities(explain: Explain) -> Entities:
    """The same, as the entities of its JSON document."""

    def run(protocol: str, *arguments: str, **keys: Any) -> list[Any]:
        done = explain(protocol, *arguments, "--json", **keys)
        assert done.code == 0, done.err
        return list(done.document["entities"])

    return run


@pytest.fixture
def history(writer: psycopg.Connection) -> psycopg.Connection:
    """A writer to tables of history."""
    for table, who in (("tvl_history", "protocol"), ("price_history", "token")):
        writer.execute(f"CREATE TABLE public.{table} (chain text, {who} text, usd numeric, at timestamptz)".encode())
    return writer


def sample(connection: psycopg.Connection, value: str, minute: int, *, table: str = "tvl_history") -> None:
    """One sample of lido's in history, judged."""
    connection.execute(
        f"INSERT INTO {table} VALUES ('ethereum', 'lido', %s, '2024-03-19 12:00Z'::timestamptz + %s * interval '1 min')"
        .encode(),
        [value, minute],
    )  # fmt: skip
    judge_waiting(connection)


def rule(entity: Any) -> dict[str, tuple[Any, str]]:
    return {key["key"]: (key["value"], key["origin"]) for key in entity["judged"]["rule"]}


# The rule


def test_the_watchs_own_rule(writer: psycopg.Connection, entities: Entities) -> None:
    write(writer, "100")
    (entity,) = entities("lido")
    assert (entity["watch"], entity["table"], entity["judged"]["shape"]) == ("tvl", "public.tvl", "latest")
    assert rule(entity)["percent"] == ("1", "percent")
    assert rule(entity)["heartbeat"] == (None, "heartbeat")
    assert "peg" not in rule(entity)


def test_keys_come_from_the_most_specific_override(writer: psycopg.Connection, entities: Entities) -> None:
    overrides = [{"chain": "base", "percent": 3}, {"protocol": "li*", "percent": 2, "min_change": 7}]
    watch = TVL | {"overrides": [*overrides, {"protocol": "lido", "percent": "0.5"}]}
    install(writer, tvl=watch)
    write(writer, "100")
    (entity,) = entities("lido", tvl=watch)
    assert rule(entity)["percent"] == ("0.5", "overrides[2].percent")
    assert rule(entity)["min_change"] == ("7", "overrides[1].min_change")
    assert entity["judged"]["distance"]["fires_above"] == "107"


def test_durations_are_spelled_in_full(history: psycopg.Connection, entities: Entities) -> None:
    watch = HISTORY | {"heartbeat": "30d", "cooldown": "90s"}
    install(history, tvl=watch)
    sample(history, "100", 0)
    history.execute("UPDATE rtp.baseline SET lag = NULL")  # as if it had come in time
    (entity,) = entities("lido", tvl=watch)
    assert rule(entity)["heartbeat"] == ("2592000s", "heartbeat")
    assert entity["judged"]["distance"]["heartbeat_at"] == "2024-04-18T12:00:00.000000Z"
    assert entity["judged"]["distance"]["cooled_until"] == "2024-03-19T12:01:30.000000Z"


def test_a_threshold_that_is_not_installed_yet(writer: psycopg.Connection, explain: Explain) -> None:
    install(writer, tvl=TVL)
    write(writer, "100")
    done = explain("lido", "--json", tvl=TVL | {"percent": 5})
    percent = done.document["entities"][0]["judged"]["rule"][0]
    assert (percent["value"], percent["is_in_settings"], percent["in_settings"]) == ("1", False, "5")
    (line,) = done.document["drift"]
    assert "percent: 1 -> 5" in line
    shown = explain("lido", tvl=TVL | {"percent": 5})
    assert (shown.code, "the settings say 5" in shown.out, line in shown.err) == (0, True, True)


def test_what_is_installed_as_the_settings_say_has_no_drift(writer: psycopg.Connection, explain: Explain) -> None:
    write(writer, "100")
    assert explain("lido", "--json").document["drift"] == []


def test_settings_that_do_not_fit_the_database_explain_all_the_same(
    writer: psycopg.Connection, explain: Explain
) -> None:
    write(writer, "100")
    done = explain("lido", "--json", tvl=TVL | {"table": "elsewhere"})
    assert done.code == 0
    assert "cannot be compared" in done.document["drift"][0]


# How far from firing


def test_a_change_that_is_not_reported(writer: psycopg.Connection, entities: Entities) -> None:
    write(writer, "100", "100.4")
    (entity,) = entities("lido")
    judged = entity["judged"]
    assert (judged["current"], judged["current_from"], judged["current_note"]) == ("100.4", "table", "")
    far = judged["distance"]
    assert (far["change"], far["change_pct"], far["reason"]) == ("0.4", "0.4", None)
    assert (far["fires_below"], far["fires_above"]) == ("99.00", "101.00")
    assert (entity["state"]["value"], entity["state"]["lower"], entity["state"]["upper"]) == ("100", "99.00", "101.00")


def test_what_would_be_reported_but_was_not_seen(writer: psycopg.Connection, entities: Entities) -> None:
    write(writer, "100")
    writer.execute("SET session_replication_role TO replica")
    write(writer, "150")
    (entity,) = entities("lido")
    assert entity["judged"]["distance"]["reason"] == "deviation"


def test_a_row_that_is_gone(writer: psycopg.Connection, entities: Entities) -> None:
    write(writer, "100")
    writer.execute("SET session_replication_role TO replica")
    writer.execute("DELETE FROM tvl")
    judged = entities("lido")[0]["judged"]
    assert (judged["current"], judged["current_from"]) == ("100", "baseline")
    assert judged["current_note"] == "the table has no such row"


def test_a_column_that_is_gone(writer: psycopg.Connection, entities: Entities) -> None:
    write(writer, "100")
    writer.execute("ALTER TABLE tvl DROP COLUMN tvl_usd")
    judged = entities("lido")[0]["judged"]
    assert (judged["current"], judged["current_from"]) == ("100", "baseline")
    assert "tvl_usd does not exist" in judged["current_note"]


def test_a_value_that_cannot_be_read_is_not_told_as_the_value_now(writer: psycopg.Connection, explain: Explain) -> None:
    write(writer, "100")
    writer.execute("ALTER TABLE tvl DROP COLUMN tvl_usd")
    shown = " ".join(explain("lido").out.split())
    assert " now not known: column r.tvl_usd does not exist" in shown
    assert " remembered 100 " in shown
    assert "not reported" not in shown


def test_a_locked_table_is_not_waited_for_long(
    writer: psycopg.Connection,
    connect_again: Callable[[], psycopg.Connection],
    explain: Explain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.inspection.explainer._TABLE_TIMEOUT", "100ms")
    write(writer, "100")
    other = connect_again()
    with other.transaction():
        other.execute("LOCK TABLE tvl IN ACCESS EXCLUSIVE MODE")
        judged = explain("lido", "--json").document["entities"][0]["judged"]
    assert judged["current_from"] == "baseline"
    assert "timeout" in judged["current_note"]


def test_of_history_the_newest_sample_counts(history: psycopg.Connection, entities: Entities) -> None:
    install(history, tvl=HISTORY)
    sample(history, "100", 0)
    sample(history, "100.5", 2)
    sample(history, "90", 1)
    (entity,) = entities("lido", tvl=HISTORY)
    assert (entity["judged"]["current"], entity["judged"]["current_from"]) == ("100.5", "newest sample")
    assert entity["state"]["sampled_at"] == "2024-03-19T12:02:00.000000Z"


# One conclusion


def conclusion_of(entity: Any) -> tuple[Any, ...]:
    found = entity["conclusion"]
    return found["outcome"], found["reason"], found["note"]


def shown_as(done: Any) -> dict[str, str]:
    """The facts that a person sees, by name."""
    lines = [line.split(None, 1) for line in done.out.splitlines() if line.strip()]
    return {line[0]: line[1].strip() for line in lines if len(line) == 2}


@pytest.mark.parametrize("rules", [{}, {"cooldown": "1h"}], ids=["plain", "sampled"])
def test_a_former_name_leads_to_the_name_of_now(
    writer: psycopg.Connection, explain: Explain, rules: dict[str, Any]
) -> None:
    watch = TVL | rules
    install(writer, tvl=watch)
    writer.execute("INSERT INTO tvl VALUES ('e', 'aave', 100, '')")
    judge_waiting(writer)
    writer.execute("UPDATE tvl SET protocol = 'aave-v3'")
    judge_waiting(writer)
    assert shown_as(explain("aave", tvl=watch))["conclusion"].startswith("called aave-v3 since 20")
    writer.execute("UPDATE tvl SET chain = 'f'")
    judge_waiting(writer)
    assert shown_as(explain("aave-v3", "--chain", "e", tvl=watch))["conclusion"].startswith("called f/aave-v3 since 20")


def test_a_change_that_the_cooldown_holds_is_not_told_as_reported(writer: psycopg.Connection, explain: Explain) -> None:
    watch = TVL | {"cooldown": "1h"}
    install(writer, tvl=watch)
    write(writer, "100", "150")
    judge_waiting(writer)
    (entity,) = explain("lido", "--json", tvl=watch).document["entities"]
    assert conclusion_of(entity) == ("held", "deviation", None)
    assert entity["conclusion"]["at"] == entity["state"]["due_at"]
    shown = explain("lido", tvl=watch).out
    assert "held back by the cooldown until" in shown
    assert "reported" not in shown


def test_what_was_only_seen_is_not_told_as_reported(writer: psycopg.Connection, explain: Explain) -> None:
    write(writer, "100")
    (entity,) = explain("lido", "--json").document["entities"]
    assert conclusion_of(entity) == ("unchanged", None, None)
    done = explain("lido")
    assert "reported" not in done.out
    assert shown_as(done)["baseline"].startswith("100, since 20")


def test_what_was_reported_is_told_with_the_events_time_and_reason(
    writer: psycopg.Connection, explain: Explain
) -> None:
    write(writer, "100", "150", "150.1", "150")
    (entity,) = explain("lido", "--json").document["entities"]
    assert conclusion_of(entity) == ("reported", "deviation", None)
    assert entity["conclusion"]["at"] == entity["events"][0]["detected_at"]
    facts = shown_as(explain("lido"))
    assert facts["baseline"].startswith("150, reported 20")
    assert facts["conclusion"].endswith(": deviation")
    assert facts["rule"] == " ".join(entity["judged"]["rule_words"])
    assert (entity["events"][0]["confidence"], entity["events"][0]["provenance"]) == (1.0, "llama")


def test_a_change_within_the_threshold_is_no_event(writer: psycopg.Connection, entities: Entities) -> None:
    write(writer, "100", "150", "150.1")
    assert conclusion_of(entities("lido")[0]) == ("not_reported", None, None)


def test_what_is_in_quarantine_is_the_value_now(history: psycopg.Connection, explain: Explain) -> None:
    watch = HISTORY | {"glitch_guard": {"factor": 2, "release_after": "5m"}}
    install(history, tvl=watch)
    sample(history, "100", 0)
    sample(history, "5000", 1)
    (entity,) = explain("lido", "--json", tvl=watch).document["entities"]
    assert (entity["judged"]["current"], conclusion_of(entity)) == ("5000", ("quarantined", None, None))
    assert entity["conclusion"]["at"] == entity["state"]["due_at"]
    assert "held back by the glitch guard until" in explain("lido", tvl=watch).out


def test_where_a_sample_waits_nothing_is_said_of_its_outcome(writer: psycopg.Connection, entities: Entities) -> None:
    watch = TVL | {"cooldown": "1h"}
    install(writer, tvl=watch)
    write(writer, "100", "150")
    assert conclusion_of(entities("lido", tvl=watch)[0]) == ("waiting", None, None)


def test_what_time_has_brought_about_and_nobody_has_judged(writer: psycopg.Connection, entities: Entities) -> None:
    watch = TVL | {"heartbeat": "1h"}
    install(writer, tvl=watch)
    write(writer, "100")
    judge_waiting(writer)
    writer.execute("UPDATE rtp.baseline SET reported_at = reported_at - interval '2 hours'")
    assert conclusion_of(entities("lido", tvl=watch)[0]) == ("due", None, None)


@pytest.mark.parametrize(
    ("rules", "price", "expected"),
    [
        ({}, "150", ("unjudged", "deviation", None)),
        ({"cooldown": "1h"}, "150", ("unjudged", None, "held")),
        ({"glitch_guard": {"factor": 2}}, "5000", ("unjudged", None, "quarantined")),
        ({"cooldown": "1h"}, "100.1", ("unjudged", None, None)),
        ({}, "100.1", ("not_reported", None, None)),
    ],
)
def test_what_went_past_the_triggers_is_judged_at_its_next_write(
    writer: psycopg.Connection, entities: Entities, rules: dict[str, Any], price: str, expected: tuple[Any, ...]
) -> None:
    watch = TVL | rules
    install(writer, tvl=watch)
    write(writer, "100")
    judge_waiting(writer)
    writer.execute("SET session_replication_role TO replica")
    write(writer, price)
    assert conclusion_of(entities("lido", tvl=watch)[0]) == expected


def test_a_row_that_is_gone_for_a_while(writer: psycopg.Connection, entities: Entities) -> None:
    watch = TVL | {"delete_grace": "1h"}
    install(writer, tvl=watch)
    write(writer, "100")
    writer.execute("DELETE FROM tvl")
    judge_waiting(writer)
    (entity,) = entities("lido", tvl=watch)
    assert conclusion_of(entity) == ("going", "deleted", None)
    assert entity["conclusion"]["at"] == entity["state"]["due_at"]


def test_a_row_that_went_past_the_triggers(writer: psycopg.Connection, entities: Entities) -> None:
    write(writer, "100")
    writer.execute("SET session_replication_role TO replica")
    writer.execute("DELETE FROM tvl")
    assert conclusion_of(entities("lido")[0]) == ("unjudged", "deleted", None)


def test_a_newest_value_of_null_is_remembered_as_null(writer: psycopg.Connection, entities: Entities) -> None:
    watch = TVL | {"cooldown": "1h"}
    install(writer, tvl=watch)
    write(writer, "100", "150", None)
    judge_waiting(writer)
    writer.execute("ALTER TABLE tvl DROP COLUMN tvl_usd")
    judged = entities("lido", tvl=watch)[0]["judged"]
    assert (judged["current"], judged["current_from"]) == (None, "baseline")


def test_compared_with_the_row_before_the_baseline_has_no_time_of_its_own(
    writer: psycopg.Connection, explain: Explain
) -> None:
    watch = TVL | {"compare_with": "previous_row"}
    install(writer, tvl=watch)
    write(writer, "100", "100.5")
    judge_waiting(writer)
    assert shown_as(explain("lido", tvl=watch))["baseline"] == "100.5"


# What is remembered


def test_a_change_that_waits_for_the_cooldown(history: psycopg.Connection, explain: Explain) -> None:
    watch = HISTORY | {"cooldown": "1h"}
    install(history, tvl=watch)
    sample(history, "100", 0)
    sample(history, "110", 1)
    (entity,) = explain("lido", "--json", tvl=watch).document["entities"]
    assert (entity["state"]["is_held"], entity["judged"]["distance"]["reason"]) == (True, "deviation")
    assert "a change waits for the cooldown to end" in explain("lido", tvl=watch).out


def test_a_jump_in_quarantine(history: psycopg.Connection, explain: Explain) -> None:
    watch = HISTORY | {"glitch_guard": {"factor": 10}}
    install(history, tvl=watch)
    sample(history, "100", 0)
    sample(history, "5000", 1)
    (entity,) = explain("lido", "--json", tvl=watch).document["entities"]
    assert (entity["state"]["suspect_value"], entity["judged"]["distance"]["jumps_beyond"]) == ("5000", "1000")
    assert "quarantine" in explain("lido", tvl=watch).out


def test_a_price_off_its_peg(history: psycopg.Connection, explain: Explain) -> None:
    install(history, prices=PEGGED)
    sample(history, "1", 0, table="price_history")
    sample(history, "0.99", 1, table="price_history")
    (entity,) = explain("lido", "--json", kind="price", prices=PEGGED).document["entities"]
    assert entity["state"]["off_peg_since"] == "2024-03-19T12:01:00.000000Z"
    far = entity["judged"]["distance"]
    assert (float(far["depegs_below"]), float(far["depegs_above"])) == (0.995, 1.005)
    assert (
        "since 2024-03-19 12:01:00Z, reported as warning at worst" in explain("lido", kind="price", prices=PEGGED).out
    )
    sample(history, "1", 61, table="price_history")
    shown = explain("lido", kind="price", prices=PEGGED).out
    assert "depegs outside" in shown
    assert "repeg after 60 min" in shown


def test_the_band_of_a_watch_that_rtp_run_judges(history: psycopg.Connection, explain: Explain) -> None:
    watch = HISTORY | {"glitch_guard": {"factor": "1.005"}}
    install(history, tvl=watch)
    sample(history, "100", 0)
    (entity,) = explain("lido", "--json", tvl=watch).document["entities"]
    assert (entity["state"]["lower"], entity["state"]["upper"]) == ("99.50248756218905472636815921", "100.500")
    shown = explain("lido", tvl=watch).out
    assert "by rtp run, from the log of samples" in shown
    assert "nothing to report between 99.50248756218905472636815921 and 100.500" in shown


def test_samples_that_wait(writer: psycopg.Connection, explain: Explain) -> None:
    writer.execute(
        "INSERT INTO rtp.sample (watch, chain, entity, value, sampled_at, changed_at, confidence)"
        " VALUES (1, 'ethereum', 'lido', 1, now(), now(), 1)"
    )
    (entity,) = explain("lido", "--json").document["entities"]
    assert (entity["waiting"], entity["state"], entity["judged"]["distance"]) == (1, None, None)
    assert "1 sample waits" in explain("lido").out


def test_the_last_ten_events_newest_first(writer: psycopg.Connection, entities: Entities) -> None:
    write(writer, *(str(2**n) for n in range(13)), entity="aave")
    write(writer, "100", "0", "50")
    assert [(e["previous"], e["current"], e["change_pct"], e["reason"]) for e in entities("lido")[0]["events"]] == [
        ("0", "50", None, "from_zero"),
        ("100", "0", "-100", "to_zero"),
    ]
    aave = entities("aave")[0]["events"]
    assert [event["current"] for event in aave] == [str(2**n) for n in range(12, 2, -1)]


# Which entity


def test_an_entity_on_several_chains(writer: psycopg.Connection, entities: Entities) -> None:
    write(writer, "100", chain="ethereum")
    write(writer, "5", chain="base")
    assert [(e["chain"], e["state"]["value"]) for e in entities("lido")] == [("base", "5"), ("ethereum", "100")]
    assert [e["chain"] for e in entities("lido", "--chain", "base")] == ["base"]


def test_every_watch_of_the_kind(history: psycopg.Connection, entities: Entities) -> None:
    watches = {"tvl": TVL, "past": HISTORY}
    install(history, **watches)
    write(history, "100")
    sample(history, "70", 0)
    assert {e["watch"]: e["state"]["value"] for e in entities("lido", **watches)} == {"tvl": "100", "past": "70"}


def test_a_deleted_entity_still_has_its_events(writer: psycopg.Connection, explain: Explain) -> None:
    write(writer, "100")
    writer.execute("DELETE FROM tvl")
    judge_waiting(writer)
    (entity,) = explain("lido", "--json").document["entities"]
    assert (entity["state"], [event["reason"] for event in entity["events"]]) == (None, ["deleted"])
    assert conclusion_of(entity) == ("gone", "deleted", None)
    assert "gone: reported as deleted" in explain("lido").out


def test_an_unknown_name_that_resembles_some(writer: psycopg.Connection, explain: Explain) -> None:
    write(writer, "1", entity="Lido-Finance")
    write(writer, "1", entity="aave")
    done = explain("lido-finanse")
    assert (done.code, done.out) == (2, "")
    assert done.err.strip() == "no watch of kind tvl has ever seen lido-finanse. Did you mean: Lido-Finance"


def test_an_unknown_name_that_resembles_none(writer: psycopg.Connection, explain: Explain) -> None:
    assert explain("zzz").err.strip() == "no watch of kind tvl has ever seen zzz"


def test_an_unknown_chain(writer: psycopg.Connection, explain: Explain) -> None:
    write(writer, "100")
    done = explain("lido", "--chain", "ethereun")
    assert (done.code, done.err.strip()) == (2, "tvl lido is not known on ethereun. It is on: ethereum")


def test_no_watch_of_the_kind(writer: psycopg.Connection, explain: Explain) -> None:
    install(writer, tvl=TVL)
    done = explain("lido", kind="price")
    assert (done.code, done.err.startswith("no watch of kind price is installed")) == (2, True)


def test_an_unknown_kind(explain: Explain) -> None:
    done = explain("lido", kind="yield")
    assert (done.code, done.err.strip()) == (
        2,
        "option --kind: must be one of tvl, price, protocol, not 'yield'."
        " Kinds of your own come from the settings file: --config",
    )


def test_token_is_another_word_for_it(command: Command, installed: Settings, writer: psycopg.Connection) -> None:
    writer.execute("INSERT INTO prices VALUES ('base', 'usdc', 1, 1, '')")
    dsn = postgres_dsn(installed)
    done = command("explain", "--kind", "price", "--token", "usdc", "--postgres-dsn", dsn, "--json")
    assert done.document["entities"][0]["entity"] == "usdc"


# Metadata


def test_a_protocols_metadata(writer: psycopg.Connection, explain: Explain) -> None:
    writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('lido', 'Lido', '')")
    writer.execute("UPDATE protocols SET name = 'Lido Finance'")
    (entity,) = explain("lido", "--json", kind="protocol").document["entities"]
    assert (entity["judged"], entity["watched"]) == (None, ["name", "category", "url", "audits", "parent"])
    assert [event["reason"] for event in entity["events"]] == ["changed", "added"]
    assert entity["events"][0]["fields"] == {"name": {"previous": "Lido", "current": "Lido Finance"}}
    shown = explain("lido", kind="protocol").out
    assert "yes, since" in shown
    assert 'name: "Lido" → "Lido Finance"' in shown


def test_a_removed_protocol(writer: psycopg.Connection, explain: Explain) -> None:
    writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('lido', 'Lido', '')")
    writer.execute("DELETE FROM protocols")
    judge_waiting(writer)
    assert "no longer" in explain("lido", kind="protocol").out


# Names from data


def test_a_hostile_name_does_not_act_on_the_terminal(writer: psycopg.Connection, explain: Explain) -> None:
    name = "\x1b]0;x\x07[red]'\"; DROP\u202e%s"
    write(writer, "100", "200", entity=name)
    done = explain(name)
    assert (done.code, "[red]'\"; DROP" in done.out) == (0, True)
    near = explain(name + "x")
    assert near.code == 2
    assert not {"\x1b", "\x07", "\u202e"} & set(done.out + near.err)


def test_explaining_changes_nothing(writer: psycopg.Connection, explain: Explain) -> None:
    write(writer, "100")
    database = sql.Identifier(writer.info.dbname)
    writer.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(database))
    assert explain("lido").code == 0


def test_a_name_that_looks_like_an_emoji_stays_as_it_is(explain: Explain) -> None:
    assert ":bat:" in explain(":bat:").err


def test_metadata_that_is_nested_too_deep_is_told_on_one_line(writer: psycopg.Connection, explain: Explain) -> None:
    # Python 3.13 reads 10,000 levels, those before it fewer; PostgreSQL takes some more.
    writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('lido', 'Lido', '')")
    writer.execute(
        "INSERT INTO rtp.event (watch, chain, entity, fields, reason, confidence, changed_at)"
        " SELECT watch, chain, entity, (repeat('[', 12000) || repeat(']', 12000))::jsonb, 'changed', 1, now()"
        " FROM rtp.event"
    )
    done = explain("lido", kind="protocol")
    assert (done.code, done.err.count("\n"), "nested too deep" in done.err) == (2, 1, True)
