"""Long enough to see what grows."""

from loadtests.scenarios.scenario import Scenario

SOAK = Scenario("soak", "as steady, but long: memory and p99 must not drift", seconds=600, watches_drift=True)
