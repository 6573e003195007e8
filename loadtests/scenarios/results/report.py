"""The HTML report: one file that needs nothing else, readable on a phone, in light and dark."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from loadtests.scenarios.results.chart import Series, VerticalLine, bars, histogram_chart, legend, line_chart
from loadtests.scenarios.results.criteria import POSTGRES_OWN
from loadtests.scenarios.results.stages import CLOCKS, STAGES

if TYPE_CHECKING:
    from loadtests.scenarios.results.result import Criterion, RunResult

_MOST_INCIDENTS = 20
_STRAGGLERS = 0.05


def report(result: RunResult) -> str:
    """The page."""
    template = Template(files("loadtests.scenarios.results").joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"rtp under load: {result.scenario}, {'passed' if result.passed else 'failed'}"),
        scenario=escape(result.scenario),
        verdict="passed" if result.passed else "failed",
        verdict_class="" if result.passed else "failed",
        subtitle=escape(_subtitle(result)),
        criteria="".join(map(_criterion_row, result.criteria)),
        postgres_own=_note(POSTGRES_OWN) if any(one.is_postgres for one in result.criteria) else "",
        latency_chart=_latency_chart(result),
        histogram=_histogram(result),
        throughput_chart=_throughput_chart(result),
        lag_chart=_lag_chart(result),
        incidents=_incidents(result),
        cpu=_cpu(result),
        stages="".join(_stage_rows(result)),
        clocks="".join(_note(f"{clock}: {what}.") for clock, what in CLOCKS.items()),
        received="".join(_received_rows(result)),
        machine="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in result.machine.items()),
    )


def _subtitle(result: RunResult) -> str:
    return (
        f"{result.summary}; {result.rate:,.0f} rows/s for {result.seconds:,.0f} s after {result.warm_up_seconds} s of "
        f"warm-up, on the {result.target}, {result.started_at[:19].replace('T', ' ')} UTC"
    )


def _criterion_row(criterion: Criterion) -> str:
    style = {True: "ok", False: "fail", None: "open"}[criterion.passed]
    cells = (criterion.name, criterion.required, criterion.measured)
    return (
        "<tr>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + f'<td class="{style}">{escape(criterion.verdict)}</td></tr>'
    )


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _latency_chart(result: RunResult) -> str:
    wanted = [
        ("subscribers p50", "a", "pubsub", "p50"),
        ("subscribers p99", "b", "pubsub", "p99"),
        ("alerts p99", "c", "sqs", "p99"),
    ]
    series = [
        Series(
            name, style, [(m.second, found[stage]) for m in result.timeline if stage in (found := getattr(m, share))]
        )
        for name, style, stage, share in wanted
    ]
    limits = [c.required for c in result.criteria if c.name.startswith("end to end")]
    limit = float(limits[0].strip("< ms").replace(",", "")) if limits else None
    present = [one for one in series if one.points]
    return line_chart(present, unit="ms", is_log=True, limit=limit, shaded_until=result.warm_up_seconds)


def _histogram(result: RunResult) -> str:
    stages = (("to subscribers", "a", "pubsub"), ("to alerts", "b", "sqs"))
    return histogram_chart(
        {name: (style, result.latency_ms[s].histogram) for name, style, s in stages if s in result.latency_ms}
    )


def _throughput_chart(result: RunResult) -> str:
    named = (("offered", "e", "offered"), ("published", "a", "published"), ("alerts received", "c", "alerts"))
    moments = list(result.timeline)
    while len(moments) > 1 and not moments[-1].offered and moments[-1].published < result.rate * _STRAGGLERS:
        moments.pop()  # the end of the schedule must not look like a collapse
    return line_chart(
        [
            Series(name, style, [(moment.second, getattr(moment, attribute)) for moment in moments])
            for name, style, attribute in named
        ],
        unit="/s",
        shaded_until=result.warm_up_seconds,
    )


def _lag_chart(result: RunResult) -> str:
    sinks = sorted({sink for moment in result.timeline for sink in moment.lag_seconds})
    series = [
        Series(sink, style, [(m.second, m.lag_seconds[sink]) for m in result.timeline if sink in m.lag_seconds])
        for sink, style in zip(sinks, "acd", strict=False)
    ]
    marks = [VerticalLine(incident.second, incident.kind) for incident in result.incidents]
    return line_chart(series, unit="s", marks=marks, shaded_until=result.warm_up_seconds)


def _incidents(result: RunResult) -> str:
    if not result.incidents:
        return '<p class="note">No retry, and no circuit breaker opened.</p>'
    rows = [
        f'<tr><td class="n">{incident.second:.1f}&nbsp;s</td><td>{escape(incident.what)}</td></tr>'
        for incident in result.incidents[:_MOST_INCIDENTS]
    ]
    more = len(result.incidents) - len(rows)
    tail = f'<p class="note">and {more:,} more</p>' if more > 0 else ""
    return legend([("retry", "retry"), ("circuit breaker", "breaker")]) + f"<table>{''.join(rows)}</table>{tail}"


def _cpu(result: RunResult) -> str:
    busy = f"The whole machine was {result.machine_cpu:.0%} busy. " if result.machine_cpu else ""
    own = f"The load test itself took {sum(result.own_cpu.values()):.0%} of one CPU."
    return bars(result.cpu, "{:.0%}".format, max([1.0, *result.cpu.values()])) + _note(busy + own)


def _stage_rows(result: RunResult) -> list[str]:
    rows = []
    for stage, name in STAGES.items():
        if found := result.latency_ms.get(stage):
            figures = (found.p50, found.p90, found.p99, found.p999, found.max)
            cells = "".join(f'<td class="n">{figure:,.2f}</td>' for figure in figures)
            rows.append(f"<tr><td>{escape(name)}</td>{cells}</tr>")
    return rows


def _received_rows(result: RunResult) -> list[str]:
    rows = [f'<tr><td>written</td><td class="n">{result.written:,}</td><td></td><td></td><td></td></tr>']
    for name, one in result.received.items():
        figures = (one.received, one.lost, one.out_of_order, one.duplicates)
        cells = "".join(f'<td class="n">{figure:,}</td>' for figure in figures)
        rows.append(f"<tr><td>{escape(name)}</td>{cells}</tr>")
    return rows
