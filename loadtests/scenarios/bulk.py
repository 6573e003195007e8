"""An indexer that writes what it has collected in one statement."""

from loadtests.scenarios.scenario import Scenario

BULK = Scenario("bulk", "upserts of 50 rows a statement", entities=5000, rows_per_write=50)
