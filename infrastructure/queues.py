"""The alerts' FIFO queues, each with its dead-letter queue, and the queue of records that could not be used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from core.settings.real_names import VARIABLE
from infrastructure.accepted import accept, accept_key_use
from infrastructure.plan import ALERTS, FAILURES

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms

    from core.sinks.sqs.queues import SqsDestination
    from infrastructure.plan import Plan

_RECEIVES_BEFORE_DEAD = 5


@dataclass(frozen=True)
class AlertQueue:
    """A queue of alerts and its dead-letter queue; `title` names the queue in ids, alarms and graphs.

    For a queue that is there already, rtp copies its own dead letters to the one that the settings name, if any.
    """

    title: str
    alerts: sqs.IQueue
    dead: sqs.IQueue | None
    is_default: bool
    name: str

    @property
    def is_made(self) -> bool:
        """Whether the queue was not there before, and so has no consumer yet."""
        return isinstance(self.alerts, sqs.Queue)


class Queues(Construct):
    """Those that the deployment names, and all others made: encrypted, and over TLS only.

    `all` has the queue of every route besides the default one, which is first; `first` is what the example consumes.
    """

    def __init__(self, scope: Construct, name: str, plan: Plan, key: kms.IKey) -> None:
        super().__init__(scope, name)
        self._plan, self._key = plan, key
        self.all = [self._alert_queue(destination) for destination in plan.alert_queues]
        self.first = self.all[0].alerts
        self.failures = self._there("Failures", plan.failures) or self._failures()

    @property
    def told(self) -> list[AlertQueue]:
        """Those whose alerts people are told of: which the deployment names, else all that are made."""
        named = {self._plan.names.get(name, name) for name in self._plan.deployment.notify.queues}
        return [one for one in self.all if (one.name in named if named else one.is_made)]

    @property
    def environment(self) -> dict[str, str]:
        """The environment that rtp needs: queues by the settings' own names, and what all of them are really called."""
        written, names = self._plan.written, self._plan.names
        default = {"RTP_SQS_QUEUE": written.sqs.queue or ALERTS} if self.all[0].is_default else {}
        real = {VARIABLE: json.dumps(names)} if names else {}
        return {**default, "RTP_DEAD_LETTER_QUEUE": written.dynamodb.dead_letter_queue or FAILURES, **real}

    def grant_sending(self, to: iam.IRole) -> None:
        """Let rtp send alerts and what could not be used."""
        for queue in self.all:
            queue.alerts.grant_send_messages(to)
        self.failures.grant_send_messages(to)
        accept_key_use(to)

    def grant_dead_letters(self, to: iam.IRole) -> None:
        """Let rtp copy its own dead letters to the queues behind those of alerts, and work what is in all of them."""
        for queue in [*(one.dead for one in self.all if one.dead), self.failures]:
            queue.grant_send_messages(to)
            queue.grant_consume_messages(to)

    def _there(self, name: str, queue: str | None) -> sqs.IQueue | None:
        arn = self._plan.queue_there(queue) if queue else None
        return None if arn is None else sqs.Queue.from_queue_arn(self, name, arn)

    def _failures(self) -> sqs.Queue:
        failures = sqs.Queue(
            self,
            "Failures",
            queue_name=self._plan.failures,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        accept(failures, "AwsSolutions-SQS3", "It is itself where failures end: Lambda's, and the handler's")
        return failures

    def _alert_queue(self, destination: SqsDestination) -> AlertQueue:
        title = "" if destination.is_default else f"-{destination.queue.removesuffix('.fifo')}"
        there = self._there(f"Alerts{title}", destination.queue)
        dead = self._there(f"DeadAlerts{title}", destination.dead_letter_queue)
        if there and not destination.dead_letter_queue:
            return AlertQueue(title, there, dead, destination.is_default, destination.queue)
        dead = dead or self._dead(title, destination)
        alerts = there or self._alerts(title, destination, dead)
        return AlertQueue(title, alerts, dead, destination.is_default, destination.queue)

    def _dead(self, title: str, destination: SqsDestination) -> sqs.Queue:
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
        accept(
            dead, "AwsSolutions-SQS3", "It is itself where failures end, also those of a queue that is there already"
        )
        return dead

    def _alerts(self, title: str, destination: SqsDestination, dead: sqs.IQueue) -> sqs.Queue:
        """High throughput: the quota counts per group, not per queue."""
        return sqs.Queue(
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
