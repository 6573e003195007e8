"""Alarms and a dashboard: what an operator is woken for, and what they look at then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as function

    from infrastructure.cache import Cache
    from infrastructure.queues import Queues

_MINUTE = Duration.minutes(1)


class Watching(Construct):
    """Everything goes to one topic; subscribe whoever is on call."""

    def __init__(self, scope: Construct, name: str, *, queues: Queues, cache: Cache, key: kms.Key) -> None:
        super().__init__(scope, name)
        key.grant_encrypt_decrypt(iam.ServicePrincipal("cloudwatch.amazonaws.com"))
        self._topic = sns.Topic(self, "Alarms", master_key=key, enforce_ssl=True)
        self._metrics: dict[str, list[cloudwatch.IMetric]] = {}
        self._alarms: list[cloudwatch.IAlarm] = []
        self._watch_queues(queues)
        self._watch_cache(cache)

    def watch_function(self, of: function.Function, title: str) -> None:
        """Errors, throttles and duration of a function."""
        errors, throttles = of.metric_errors(period=_MINUTE), of.metric_throttles(period=_MINUTE)
        self._alarm(f"{title}Errors", errors, 1, "A batch ended in an error instead of reporting its records")
        self._alarm(f"{title}Throttles", throttles, 1, "Concurrency is used up; the stream or queue waits", minutes=5)
        self._metrics[title] = [errors, throttles, of.metric_duration(period=_MINUTE, statistic="p99")]

    def watch_iterator(self, of: function.Function) -> None:
        """How old the newest record that was read is: how far the handler is behind its streams."""
        age = of.metric("IteratorAge", period=_MINUTE, statistic="Maximum")
        self._alarm("IteratorAge", age, 60_000, "The handler is a minute behind; at 24 hours records are lost")
        self._metrics["Behind the stream, ms"] = [age]

    def draw(self) -> None:
        """The dashboard of all that is watched."""
        board = cloudwatch.Dashboard(self, "Dashboard", default_interval=Duration.hours(3))
        board.add_widgets(cloudwatch.AlarmStatusWidget(alarms=self._alarms, width=24, title="Alarms"))
        board.add_widgets(
            *(cloudwatch.GraphWidget(title=title, left=found, width=8) for title, found in self._metrics.items())
        )

    def _watch_queues(self, queues: Queues) -> None:
        age = queues.alerts.metric_approximate_age_of_oldest_message(period=_MINUTE)
        self._alarm("AlertAge", age, 300, "The oldest alert has waited five minutes for a consumer")
        for title, queue in (("DeadAlerts", queues.dead_alerts), ("Failures", queues.failures)):
            depth = queue.metric_approximate_number_of_messages_visible(period=_MINUTE)
            self._alarm(title, depth, 1, "Something was given up: look at the queue's messages")
            self._metrics[title] = [depth]
        self._metrics["Alerts"] = [age, queues.alerts.metric_number_of_messages_sent(period=_MINUTE)]

    def _watch_cache(self, cache: Cache) -> None:
        def metric(name: str) -> cloudwatch.Metric:
            where = {"CacheClusterId": cache.first_node}
            return cloudwatch.Metric(
                namespace="AWS/ElastiCache",
                metric_name=name,
                dimensions_map=where,
                period=_MINUTE,
                statistic="Maximum",
            )

        memory, engine = metric("DatabaseMemoryUsagePercentage"), metric("EngineCPUUtilization")
        self._alarm("CacheMemory", memory, 80, "Above 100 % cache entries go early, then writes fail", minutes=5)
        self._alarm("CacheCpu", engine, 80, "Valkey runs scripts on one core: take a faster node", minutes=5)
        self._metrics["Cache, %"] = [memory, engine]

    def _alarm(
        self, name: str, metric: cloudwatch.IMetric, threshold: float, meaning: str, *, minutes: int = 1
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=minutes,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=meaning,
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))
        self._alarms.append(alarm)
