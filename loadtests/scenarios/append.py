"""A table of samples, to which rows are only added."""

from loadtests.scenarios.scenario import Scenario

APPEND = Scenario("append", "a new row per sample in a history table", shape="history")
