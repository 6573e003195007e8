"""How many samples a running rtp has judged, by its own metrics."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

if TYPE_CHECKING:
    from loadtests.shared.rtp_run import RtpRun

_JUDGED = re.compile(rb"^rtp_samples_judged_total (\S+)$", re.MULTILINE)
_LOOK_SECONDS = 0.05
_MOST_SECONDS = 300


class JudgedCount:
    """Asks for the count while there is a process to ask."""

    def __init__(self, place: str, rtp: RtpRun) -> None:
        self._url = f"http://{place}/metrics"
        self._rtp = rtp

    def now(self) -> int:
        """How many so far; 0 while rtp is starting."""
        self._rtp.check()
        try:
            with urlopen(self._url, timeout=10) as answer:  # noqa: S310 - of our own making
                found = _JUDGED.search(answer.read())
        except URLError:
            return 0
        return int(float(found[1])) if found else 0

    def wait_for(self, number: int) -> tuple[float, int]:
        """Wait until it is so high; when, and how high it was then. Ends the program where that does not come."""
        deadline = time.perf_counter() + _MOST_SECONDS
        while (judged := self.now()) < number:
            if time.perf_counter() > deadline:
                raise SystemExit(f"only {judged:,} of {number:,} samples were judged within {_MOST_SECONDS} s")
            time.sleep(_LOOK_SECONDS)
        return time.perf_counter(), judged
