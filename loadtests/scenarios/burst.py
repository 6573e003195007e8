"""Blocks arrive, and with each a crowd of changes; then nothing."""

from loadtests.scenarios.scenario import Scenario

BURST = Scenario("burst", "all writes of 3 s within the first one", period_seconds=3, busy_share=1 / 3)
