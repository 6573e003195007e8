"""Quiet hours go by the clocks on the walls of their zone, also when those are put forward or back."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.notify.choice.quiet import last_end, quiet_until
from core.settings.rhythm import Quiet
from core.zones import zone_called

NIGHT = Quiet(time(22), time(7), "Europe/Zurich")
LUNCH = Quiet(time(12), time(13, 30), "America/New_York")


def unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


@pytest.mark.parametrize(
    ("quiet", "now", "until"),
    [
        (NIGHT, "2026-06-01T21:59:59+02:00", None),
        (NIGHT, "2026-06-01T22:00+02:00", "2026-06-02T07:00+02:00"),
        (NIGHT, "2026-06-02T06:59:59+02:00", "2026-06-02T07:00+02:00"),
        (NIGHT, "2026-06-02T07:00+02:00", None),
        (LUNCH, "2026-06-01T12:00-04:00", "2026-06-01T13:30-04:00"),
        (LUNCH, "2026-06-01T13:30-04:00", None),
        # The clocks go forward on 29 March, from 2 to 3 in the morning, and back on 25 October, from 3 to 2.
        (NIGHT, "2026-03-28T23:00+01:00", "2026-03-29T07:00+02:00"),
        (NIGHT, "2026-10-24T23:00+02:00", "2026-10-25T07:00+01:00"),
        (Quiet(time(22), time(2, 30), "Europe/Zurich"), "2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"),
        (Quiet(time(22), time(2, 30), "Europe/Zurich"), "2026-10-25T01:00+02:00", "2026-10-25T02:30+02:00"),
        (Quiet(time(22), time(2, 30), "Europe/Zurich"), "2026-10-25T02:10+01:00", "2026-10-25T02:30+01:00"),
    ],
)
def test_they_end_when_the_clocks_say_so(quiet: Quiet, now: str, until: str | None) -> None:
    assert quiet_until(quiet, unix(now)) == (until and unix(until))


@given(
    st.times().map(lambda clock: clock.replace(second=0, microsecond=0)),
    st.times().map(lambda clock: clock.replace(second=0, microsecond=0)),
    st.sampled_from(["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]),
    st.sampled_from(["2026-03-29T00:00", "2026-10-25T00:00", "2026-04-04T15:00", "2026-11-01T05:00"]),
    st.integers(-1500, 1500),
)
def test_they_end_at_the_first_minute_that_the_clocks_show_as_loud(
    begins: time, ends: time, zone: str, change: str, minutes: int
) -> None:
    moment = datetime.fromisoformat(f"{change}+00:00") + timedelta(minutes=minutes)

    def is_quiet(when: datetime) -> bool:
        shown = when.astimezone(zone_called(zone)).time()
        return begins <= shown < ends if begins < ends else not ends <= shown < begins

    end = moment
    while begins != ends and is_quiet(end):
        end += timedelta(minutes=1)
    if begins != ends:
        found = quiet_until(Quiet(begins, ends, zone), moment.timestamp())
        assert found == (end.timestamp() if end > moment else None)


def test_the_last_end_is_of_today_or_of_yesterday() -> None:
    assert last_end(NIGHT, unix("2026-06-02T07:00+02:00")) == unix("2026-06-02T07:00+02:00")
    assert last_end(NIGHT, unix("2026-06-02T06:59+02:00")) == unix("2026-06-01T07:00+02:00")
    assert last_end(NIGHT, datetime(2026, 6, 2, 12, tzinfo=UTC).timestamp()) == unix("2026-06-02T07:00+02:00")
