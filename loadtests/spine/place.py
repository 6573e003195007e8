"""Names that the measurements share, and what they write."""

from core.database import queries

QUEUE = "rtp-alerts.fifo"
ENTITIES = 1000
QUERIES = queries("loadtests.spine", "writes.sql")
