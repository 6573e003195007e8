"""An ordinary day, dense: one row at a time, evenly."""

from loadtests.scenarios.scenario import Scenario

STEADY = Scenario("steady", "single-row updates, evenly spaced")
