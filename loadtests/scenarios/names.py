"""Names of everything that a load test makes: found again by whoever has to clean up."""

CHAIN = "rtp-loadtest"
KIND = "tvl"
SCHEMA = "rtp_loadtest"
TABLE = f"{SCHEMA}.tvl"
WATCH = "loadtest"
