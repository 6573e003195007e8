"""Alarms that wake an operator, and a dashboard to look at then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

if TYPE_CHECKING:
    from aws_cdk import aws_ecs as ecs
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as function
    from aws_cdk import aws_rds as rds

    from infrastructure.cache import Cache
    from infrastructure.queues import Queues

_MINUTE = Duration.minutes(1)


class Watching(Construct):
    """All alarms go to one topic, to which the operator subscribes."""

    def __init__(self, scope: Construct, name: str, *, queues: Queues, cache: Cache, key: kms.Key) -> None:
        super().__init__(scope, name)
        key.grant_encrypt_decrypt(iam.ServicePrincipal("cloudwatch.amazonaws.com"))
        self.topic = sns.Topic(self, "Alarms", master_key=key, enforce_ssl=True)
        self._metrics: dict[str, list[cloudwatch.IMetric]] = {}
        self._alarms: list[cloudwatch.IAlarm] = []
        self._watch_queues(queues)
        if cache.first_node:
            self._watch_cache(cache.first_node)

    def watch_function(self, of: function.Function, title: str) -> None:
        """Errors, throttles and duration of a function."""
        errors, throttles = of.metric_errors(period=_MINUTE), of.metric_throttles(period=_MINUTE)
        self._alarm(f"{title}Errors", errors, 1, "A batch ended in an error instead of reporting its records")
        self._alarm(f"{title}Throttles", throttles, 1, "Concurrency is used up; the stream or queue waits", minutes=5)
        self._metrics[title] = [errors, throttles, of.metric_duration(period=_MINUTE, statistic="p99")]

    def watch_iterator(self, of: function.Function) -> None:
        """How far the handler is behind its streams: the age of the newest record that it has read."""
        age = of.metric("IteratorAge", period=_MINUTE, statistic="Maximum")
        self._alarm("IteratorAge", age, 60_000, "The handler is a minute behind; at 24 hours records are lost")
        self._metrics["Behind the stream, ms"] = [age]

    def watch_service(self, of: ecs.FargateService, database: rds.IDatabaseInstance | None) -> None:
        """Whether any `rtp run` is active, and whether the database has space left."""
        where = {"ClusterName": of.cluster.cluster_name, "ServiceName": of.service_name}
        running = cloudwatch.Metric(
            namespace="ECS/ContainerInsights",
            metric_name="RunningTaskCount",
            dimensions_map=where,
            period=_MINUTE,
            statistic="Minimum",
        )
        self._alarm("Running", running, 1, "No rtp run is there: nothing is delivered, the log grows", is_floor=True)
        self._metrics["rtp run"] = [running]
        if database is None:
            return
        free = database.metric_free_storage_space(period=_MINUTE, statistic="Minimum")
        self._alarm("DatabaseSpace", free, 5e9, "Less than 5 GB left; a full disk stops all writers", is_floor=True)
        self._metrics["Database"] = [free, database.metric_cpu_utilization(period=_MINUTE)]

    def draw(self) -> None:
        """Draw the dashboard of all that is watched."""
        board = cloudwatch.Dashboard(self, "Dashboard", default_interval=Duration.hours(3))
        board.add_widgets(cloudwatch.AlarmStatusWidget(alarms=self._alarms, width=24, title="Alarms"))
        board.add_widgets(
            *(cloudwatch.GraphWidget(title=title, left=found, width=8) for title, found in self._metrics.items())
        )

    def _watch_queues(self, queues: Queues) -> None:
        for one in queues.all:
            age = one.alerts.metric_approximate_age_of_oldest_message(period=_MINUTE)
            self._alarm(f"AlertAge{one.title}", age, 300, "The oldest alert has waited five minutes for a consumer")
            self._metrics[f"Alerts{one.title}"] = [age, one.alerts.metric_number_of_messages_sent(period=_MINUTE)]
        dead = [(f"DeadAlerts{one.title}", one.dead) for one in queues.all if one.dead]
        for title, queue in (*dead, ("Failures", queues.failures)):
            depth = queue.metric_approximate_number_of_messages_visible(period=_MINUTE)
            self._alarm(title, depth, 1, "Something was given up: look at the queue's messages")
            self._metrics[title] = [depth]

    def _watch_cache(self, node: str) -> None:
        def metric(name: str) -> cloudwatch.Metric:
            where = {"CacheClusterId": node}
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
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        meaning: str,
        *,
        minutes: int = 1,
        is_floor: bool = False,
    ) -> None:
        compare, missing = cloudwatch.ComparisonOperator, cloudwatch.TreatMissingData
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=minutes,
            comparison_operator=(
                compare.LESS_THAN_THRESHOLD if is_floor else compare.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            ),
            # A metric with a floor must be there: missing data is an alarm, too.
            treat_missing_data=missing.BREACHING if is_floor else missing.NOT_BREACHING,
            alarm_description=meaning,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        self._alarms.append(alarm)
