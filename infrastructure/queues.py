"""The alerts' FIFO queue with its dead-letter queue, and the queue of records that could not be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infrastructure.accepted import accept

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from infrastructure.plan import Plan

_RECEIVES_BEFORE_DEAD = 5


class Queues(Construct):
    """All encrypted, all over TLS only. High throughput: the quota counts per group, not per queue."""

    def __init__(self, scope: Construct, name: str, plan: Plan, key: kms.IKey) -> None:
        super().__init__(scope, name)
        self.dead_alerts = sqs.Queue(
            self,
            "DeadAlerts",
            fifo=True,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        self.alerts = sqs.Queue(
            self,
            "Alerts",
            queue_name=plan.settings.sqs.queue or "rtp-alerts.fifo",
            fifo=True,
            deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP,
            fifo_throughput_limit=sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            data_key_reuse=Duration.hours(1),
            enforce_ssl=True,
            visibility_timeout=Duration.seconds(180),  # six times the consumer's time-out
            retention_period=Duration.days(4),
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=_RECEIVES_BEFORE_DEAD, queue=self.dead_alerts),
        )
        self.failures = sqs.Queue(
            self,
            "Failures",
            queue_name=plan.settings.dynamodb.dead_letter_queue or "rtp-failures",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        accept(self.failures, "AwsSolutions-SQS3", "It is itself where failures end: Lambda's, and the handler's")
