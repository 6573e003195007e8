"""Names of everything that a load test makes: found again by whoever has to clean up."""

from rtp_client.event import Kind

CHAIN = "rtp-loadtest"
KIND = Kind.TVL
SCHEMA = "rtp_loadtest"
TABLE = f"{SCHEMA}.tvl"
WATCH = "loadtest"
