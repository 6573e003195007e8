"""Names that the measurements share, and what they write."""

from core.services.postgres import queries

QUEUE = "rtp-alerts.fifo"
ENTITIES = 1000
QUERIES = queries("loadtests.benchmarks.spine", "writes.sql")
