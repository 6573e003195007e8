"""The stages whose latency is measured, and what people call them. docs/how-to/loadtest.md defines each."""

STAGES = {
    "pubsub": "update to subscriber",
    "sqs": "update to alert",
    "pubsub from commit": "commit to subscriber",
    "sqs from commit": "commit to alert",
    "pubsub from schedule": "schedule to subscriber",
    "sqs from schedule": "schedule to alert",
    "pubsub trigger": "update to trigger's clock",
    "pubsub trigger to commit": "trigger's clock to commit",
    "pubsub commit to judge": "commit to judge's clock",
    "pubsub judge to commit": "judge's clock to its commit",
    "detect": "trigger's clock to rtp",
    "process": "trigger's clock to Redis's answer",
    "db": "schedule to commit",
    "statement": "statement to commit",
    "lateness": "schedule to statement",
    "cache": "cache read",
}

# The two clocks from which rtp's own latency can be told.
CLOCKS = {
    "trigger's clock": "when the trigger judged the row, within the writer's transaction (the event's detected_at); "
    "of a history the judge's clock, when rtp run judged it, after the commit",
    "commit": "when PostgreSQL began to write the commit of the writer's transaction; only later can anybody see the "
    "row (pg_xact_commit_timestamp)",
}
