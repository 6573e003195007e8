"""The alerts' FIFO queues, each with its dead-letter queue, and the queue of records that could not be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infrastructure.accepted import accept

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from core.sinks.sqs.queues import SqsDestination
    from infrastructure.plan import Plan

_RECEIVES_BEFORE_DEAD = 5


@dataclass(frozen=True)
class AlertQueue:
    """A queue of alerts and its dead-letter queue; `title` names the queue in ids, alarms and graphs."""

    title: str
    alerts: sqs.Queue
    dead: sqs.Queue
    is_default: bool


class Queues(Construct):
    """All encrypted, all over TLS only. High throughput: the quota counts per group, not per queue.

    `all` has the queue of every route besides the default one, which is first; `first` is what the example consumes.
    """

    def __init__(self, scope: Construct, name: str, plan: Plan, key: kms.IKey) -> None:
        super().__init__(scope, name)
        self._key = key
        self.all = [self._alert_queue(destination) for destination in plan.alert_queues]
        self.first = self.all[0].alerts
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

    @property
    def environment(self) -> dict[str, str]:
        """The environment that rtp needs. Routes name their queues in the settings file."""
        return {"RTP_SQS_QUEUE": self.first.queue_name} if self.all[0].is_default else {}

    def _alert_queue(self, destination: SqsDestination) -> AlertQueue:
        title = "" if destination.is_default else f"-{destination.queue.removesuffix('.fifo')}"
        dead = sqs.Queue(
            self,
            f"DeadAlerts{title}",
            queue_name=destination.dead_letter_queue,
            fifo=True,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        alerts = sqs.Queue(
            self,
            f"Alerts{title}",
            queue_name=destination.queue,
            fifo=True,
            deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP,
            fifo_throughput_limit=sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._key,
            data_key_reuse=Duration.hours(1),
            enforce_ssl=True,
            visibility_timeout=Duration.seconds(180),  # six times the consumer's time-out
            retention_period=Duration.days(4),
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=_RECEIVES_BEFORE_DEAD, queue=dead),
        )
        return AlertQueue(title, alerts, dead, destination.is_default)
