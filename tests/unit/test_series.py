"""What a backtest's page draws: thinned values that keep their extremes, and the events over them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from cli.backtest_chart import chart
from core.detection.report import Report
from core.detection.series import DrawnSeries
from rtp_client.event import Reason, Severity

NOON = datetime(2023, 3, 11, 12, tzinfo=UTC)


def series(*values: str) -> DrawnSeries:
    found = DrawnSeries(("chainlink", "usdc"), marks=[[]])
    for minute, value in enumerate(values):
        found.add(Decimal(value), NOON + timedelta(minutes=minute))
    return found


def test_many_samples_are_few_points_that_keep_every_extreme() -> None:
    values = ["1"] * 20_000
    values[3333], values[16_667] = "0.88", "1.07"
    points = series(*values).points
    assert 500 < len(points) <= 1200
    assert (min(point.low for point in points), max(point.high for point in points)) == (0.88, 1.07)


def test_what_is_no_number_or_late_is_not_drawn() -> None:
    found = series("1", "NaN", "1.1")
    found.add(Decimal(5), NOON)
    found.add(None, NOON + timedelta(hours=1))
    assert [point.high for point in found.points] == [1, 1.1]


def test_events_beyond_a_thousand_are_counted_and_heartbeats_are_none() -> None:
    found = series("1")
    for _ in range(1001):
        found.mark(0, NOON, Report(None, Decimal(1), Reason.DEVIATION, Severity.INFO))
    found.mark(0, NOON, Report(None, Decimal(1), Reason.HEARTBEAT, Severity.INFO))
    assert (len(found.marks[0]), found.left_out) == (1000, 1)


def test_values_of_any_size_are_drawn_within_the_picture() -> None:
    found = series("-1.7e308", "1.7e308", "1e-300")
    found.mark(0, NOON, Report(None, Decimal("1e400"), Reason.DEVIATION, Severity.INFO))
    drawn = chart(found)
    assert "nan" not in drawn
    assert "inf" not in drawn.replace('class="info"', "").replace(", info:", "")


def test_one_value_is_no_picture() -> None:
    assert "<svg" not in chart(series("1"))
