"""The example dashboard and alert rules ask for nothing that /metrics does not have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cli.demo_notifications import catching
from cli.notify.beside import notifying
from core.cache.readers import cache_reader
from core.demo.notifications import with_demo_notify
from tests.gateway import answer_of, live_client, serve_settings, serving
from tests.monitored import eventually, monitored

if TYPE_CHECKING:
    from core.settings.models import Settings

CONFIGS = Path(__file__).parents[2] / "configs"
DASHBOARD = json.loads((CONFIGS / "grafana-dashboard.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((CONFIGS / "prometheus-alerts.yaml").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]] + [rule["expr"] for rule in RULES]
OF_PROMETHEUS = {"instance", "job"}  # put on every metric by the scrape itself

Labels = dict[str, set[str]]


@pytest.fixture
def labels(settings: Settings, writer: psycopg.Connection) -> Iterator[Labels]:
    """Every metric that a real run with events, a reader of the cache and a gateway exposes, and its labels."""
    with ExitStack() as exits:
        gateway = exits.enter_context(serving(serve_settings(settings.redis.url or "")))
        with live_client(gateway) as client:
            client.subscribe()
        assert answer_of(gateway, "/", Host="evil.example").error == "unknown_host"
        eventually(lambda: b"rtp_gateway_disconnected_total{" in answer_of(gateway, "/metrics").body)
        running = exits.enter_context(monitored(settings))
        reader = exits.enter_context(cache_reader(settings))
        for value in (100, 200):
            writer.execute(
                "INSERT INTO tvl VALUES ('ethereum', 'lido', %s, 'llama')"
                " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd",
                [value],
            )
        eventually(lambda: running.metric("rtp_latency_seconds_count", sink="sqs", stage="delivery"))
        reader.get("tvl", "ethereum", "lido")
        eventually(lambda: any(name == "rtp_cache_reads_total" for name, _ in running.metrics()))
        eventually(lambda: any(name == "rtp_samples_waiting" for name, _ in running.metrics()))
        eventually(lambda: running.metric("rtp_watch_armed", watch="tvl"))
        catcher = exits.enter_context(catching())
        telling = exits.enter_context(notifying(with_demo_notify(settings, catcher.address), source="stream"))
        registry = CollectorRegistry()
        registry.register(telling.metrics)
        eventually(lambda: b"rtp_notify_waiting_seconds{" in generate_latest(registry))
        found: Labels = {}
        for text in (running.ask("/metrics")[2], answer_of(gateway, "/metrics").body, generate_latest(registry)):
            for family in text_string_to_metric_families(text.decode()):
                for sample in family.samples:
                    found.setdefault(sample.name, set()).update(sample.labels)
        yield found


def metrics_of(expression: str) -> list[tuple[str, set[str]]]:
    """The metrics that an expression names, each with the labels that it selects by."""
    found = re.findall(r"\b((?:rtp|process)_\w+)(?:\{([^}]*)\})?", expression)
    return [(name, set(re.findall(r"(\w+)\s*=", selectors))) for name, selectors in found]


def test_every_expression_asks_for_metrics_and_labels_that_exist(labels: Labels) -> None:
    for expression in EXPRESSIONS:
        metrics = metrics_of(expression)
        assert metrics, expression
        for name, selected in metrics:
            assert name in labels, f"no {name}: {expression}"
            assert selected <= labels[name] | OF_PROMETHEUS, expression
        grouped = {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in re.split(r",\s*", group)}
        assert grouped <= set.union(*(labels[name] for name, _ in metrics)) | OF_PROMETHEUS, expression


def test_every_label_that_is_shown_is_left_by_its_expression() -> None:
    shown = [(target["legendFormat"], target["expr"]) for panel in PANELS for target in panel["targets"]]
    shown += [(" ".join(rule["annotations"].values()), rule["expr"]) for rule in RULES]
    for text, expression in shown:
        wanted = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", text))
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", expression))))
        assert wanted <= grouped | OF_PROMETHEUS, (text, expression)


def test_values_that_are_selected_exist(settings: Settings, writer: psycopg.Connection) -> None:
    stages = {stage for expression in EXPRESSIONS for stage in re.findall(r'stage="(\w+)"', expression)}
    states = {state for expression in EXPRESSIONS for state in re.findall(r'state="([\w-]+)"', expression)}
    with monitored(settings) as running:
        seen = {pair for _, pairs in running.metrics() for pair in pairs}
    assert {("stage", stage) for stage in stages} | {("state", state) for state in states} <= seen


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_brackets_are_closed(expression: str) -> None:
    for pair in ("()", "{}", "[]"):
        assert expression.count(pair[0]) == expression.count(pair[1])


def test_each_alert_says_what_is_wrong_and_what_to_do() -> None:
    assert [rule["alert"] for rule in RULES if {"summary", "action"} != rule["annotations"].keys()] == []
    assert {rule["labels"]["severity"] for rule in RULES} <= {"warning", "critical"}
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_panels_do_not_overlap_and_use_the_chosen_data_source() -> None:
    places = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${datasource}"}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
