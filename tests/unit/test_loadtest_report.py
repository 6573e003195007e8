"""The HTML report: one file, which says what the result says."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

from loadtests.scenarios.results.criteria import POSTGRES_OWN
from loadtests.scenarios.results.report import report
from loadtests.scenarios.results.result import Incident
from tests.results import result

VOID = {"meta", "line", "rect", "polyline", "br"}


class Tags(HTMLParser):
    """Checks that every tag is closed where it should be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and (not self.open or self.open.pop() != tag):
            self.wrong.append(tag)


def test_it_is_well_formed() -> None:
    tags = Tags(report(result()))
    assert (tags.open, tags.wrong) == ([], [])


def test_it_needs_nothing_from_elsewhere() -> None:
    page = report(result())
    assert Tags(page).links == []
    assert not re.search(r"https?://|@import|url\(|<script", page)


def test_it_is_made_for_phones_and_for_the_dark() -> None:
    page = report(result())
    assert 'name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme: dark" in page


def test_every_criterion_is_there_with_its_verdict() -> None:
    failing = result({"detect": 25.0})
    page = report(failing)
    assert [criterion.name for criterion in failing.criteria if criterion.name not in page] == []
    assert '<td>25.00 ms</td><td class="fail">FAIL</td>' in page


def test_what_is_postgres_own_is_explained_where_it_occurs() -> None:
    explanation = escape(POSTGRES_OWN)
    assert explanation in report(result({"detect": 14.0, "pubsub from commit": 9.0}))
    assert explanation not in report(result())


def test_what_the_load_test_itself_took_is_told_apart() -> None:
    page = report(result(cpu={"rtp": 0.3, "SQS endpoint": 0.2, "generator": 0.21, "consumer": 0.14}))
    assert "The load test itself took 35% of one CPU." in page


def test_it_draws_each_chart() -> None:
    assert report(result()).count("<svg") == 4


def test_retries_and_breakers_are_marked_and_told() -> None:
    incidents = [
        Incident(second=2, what="redis: 1 retries", kind="retry"),
        Incident(second=3, what="Redis: open", kind="breaker"),
    ]
    page = report(result(incidents=incidents))
    assert (page.count('<line class="retry"'), page.count('<line class="breaker"')) == (1, 1)
    assert "Redis: open" in page


def test_names_from_elsewhere_are_no_markup() -> None:
    page = report(result(incidents=[Incident(second=1, what="<script>alert(1)</script>", kind="retry")]))
    assert "<script" not in page


def test_a_run_in_which_nothing_came_has_a_report_too() -> None:
    empty = result(latency_ms={}, timeline=[], received={}, cpu={}, throughput=None)
    tags = Tags(report(empty))
    assert (tags.open, tags.wrong) == ([], [])


def test_the_end_of_the_schedule_does_not_look_like_a_collapse() -> None:
    timeline = result().timeline
    stragglers = timeline[-1].model_copy(update={"second": 11, "offered": 0, "published": 3})

    def throughput(page: str) -> str:
        return page.partition("Throughput against")[2].partition("</section>")[0]

    ended = throughput(report(result(timeline=[*timeline, stragglers])))
    assert ended == throughput(report(result(timeline=timeline)))
