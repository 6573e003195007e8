"""The market crashes: one statement moves every entity.

All rows of a wave carry nearly the same clock, so end to end is the time to deliver the whole wave, not one event.
"""

from loadtests.scenarios.scenario import Scenario

CRASH = Scenario(
    "crash", "every entity moves at once, in one statement", entities=1000, rows_per_write=1000, end_to_end_ms=1000
)
