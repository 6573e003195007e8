"""The stages whose latency is measured, and what people call them. docs/loadtest.md defines each."""

STAGES = {
    "pubsub": "update to subscriber",
    "sqs": "update to alert",
    "pubsub from schedule": "schedule to subscriber",
    "sqs from schedule": "schedule to alert",
    "pubsub trigger": "update to trigger's clock",
    "detect": "trigger's clock to rtp",
    "process": "trigger's clock to Redis's answer",
    "db": "schedule to commit",
    "statement": "statement to commit",
    "lateness": "schedule to statement",
    "cache": "cache read",
}
