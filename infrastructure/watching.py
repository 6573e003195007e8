"""Alarms that wake an operator, and a dashboard to look at then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

if TYPE_CHECKING:
    from aws_cdk import aws_ecs as ecs
    from aws_cdk import aws_events as events
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as function

    from infrastructure.cache import Cache
    from infrastructure.plan import Plan
    from infrastructure.queues import Queues

_MINUTE = Duration.minutes(1)


class Watching(Construct):
    """All alarms go to one topic, to which the operator subscribes.

    What rtp itself tells CloudWatch of is watched where the deployment has `watching.metrics`.
    """

    def __init__(self, scope: Construct, name: str, plan: Plan, *, queues: Queues, cache: Cache, key: kms.Key) -> None:
        super().__init__(scope, name)
        self.topic = _topic(self, key)
        self._namespace = plan.metrics
        self._graphs: dict[str, list[cloudwatch.IMetric]] = {}
        self._alarms: list[cloudwatch.IAlarm] = []
        self._watch_queues(queues)
        if cache.first_node:
            self._watch_cache(cache.first_node)

    def watch_function(self, of: function.Function, title: str) -> None:
        """Errors, throttles and duration of a function."""
        errors, throttles = of.metric_errors(period=_MINUTE), of.metric_throttles(period=_MINUTE)
        self._alarm(f"{title}Errors", errors, 1, "A batch ended in an error instead of reporting its records")
        self._alarm(f"{title}Throttles", throttles, 1, "Concurrency is used up; the stream or queue waits", minutes=5)
        self._graphs[title] = [errors, throttles, of.metric_duration(period=_MINUTE, statistic="p99")]

    def watch_handler(self, of: function.Function, tick: events.Rule) -> None:
        """The handler, how far it is behind its streams, whether the tick runs, and what rtp itself tells of both."""
        self.watch_function(of, "Handler")
        age = of.metric("IteratorAge", period=_MINUTE, statistic="Maximum")
        self._alarm("IteratorAge", age, 60_000, "The handler is a minute behind; at 24 hours records are lost")
        self._graphs["Behind the stream, ms"] = [age]
        ticks = self._own("Ticks", "Sum") or _invocations(tick)
        no_tick = "No tick for five minutes: heartbeats and ends of quarantines are late, and alerts left behind wait"
        self._alarm("Tick", ticks, 1, no_tick, minutes=5, is_floor=True)
        self._graphs["Ticks"] = [ticks]
        self._alarm_own(
            "PendingAlerts", "OldestPendingAlertSeconds", 120, "A queue has not taken its alerts for minutes"
        )
        self._alarm_own(
            "BaselinesLost", "BaselinesLost", 1, "Redis lost its memory; baselines were read from the tables"
        )
        self._alarm_own("OutOfOrder", "OutOfOrder", 1, "A history is read at a factor above 1: samples overtake others")
        self._alarm_own(
            "FailedBatches", "FailedBatches", 1, "Records come again and again, as Redis is away", minutes=5
        )
        self._graph_own("Records and events", "Sum", "Records", "Events", "SetAside", "DeadLetters", "FailedBatches")
        self._graph_own("Alerts that wait for a queue", "Maximum", "PendingAlerts", "OldestPendingAlertSeconds")
        self._graph_own("Cold starts", "Sum", "ColdStarts")

    def watch_notifier(self, of: function.Function, tick: events.Rule) -> None:
        """Who tells people, whether its tick runs, and what it tells of what waits and of what was given up."""
        self.watch_function(of, "Notifier")
        ticks = self._own("NotifyTicks", "Sum") or _invocations(tick)
        no_tick = "No tick of rtp notify for five minutes: digests, tries again and escalations are late"
        self._alarm("NotifyTick", ticks, 1, no_tick, minutes=5, is_floor=True)
        self._alarm_own("NotifyFailing", "NotifyOpenCircuits", 1, "A destination takes nothing: rtp status", minutes=10)
        self._alarm_own("NotifyDead", "UntoldDeadLetters", 1, "Alerts that nobody could be told of: rtp dlq list")
        self._graphs["Ticks of the notifier"] = [ticks]
        self._graph_own("Told", "Sum", "Told", "Messages", by="Destination")
        self._graph_own("Not told yet", "Maximum", "Untold", "OldestUntoldSeconds", by="Destination")
        self._graph_own("What was not taken", "Maximum", "NotifyOpenCircuits", "UntoldDeadLetters", by="Destination")

    def watch_service(self, of: ecs.FargateService, database: str | None) -> None:
        """Whether any `rtp run` is active, what it tells of itself, and whether the database has space left."""
        where = {"ClusterName": of.cluster.cluster_name, "ServiceName": of.service_name}
        running = cloudwatch.Metric(
            namespace="ECS/ContainerInsights",
            metric_name="RunningTaskCount",
            dimensions_map=where,
            period=_MINUTE,
            statistic="Minimum",
        )
        self._alarm("Running", running, 1, "No rtp run is there: nothing is delivered, the log grows", is_floor=True)
        self._graphs["rtp run"] = [running]
        self._watch_pipeline()
        if database is None:
            return

        def metric(name: str, statistic: str) -> cloudwatch.Metric:
            where = {"DBInstanceIdentifier": database}
            return cloudwatch.Metric(
                namespace="AWS/RDS", metric_name=name, dimensions_map=where, period=_MINUTE, statistic=statistic
            )

        free = metric("FreeStorageSpace", "Minimum")
        self._alarm("DatabaseSpace", free, 5e9, "Less than 5 GB left; a full disk stops all writers", is_floor=True)
        self._graphs["Database"] = [free, metric("CPUUtilization", "Average")]

    def _watch_pipeline(self) -> None:
        lag, dead = "SinkLagSeconds", "DeadLettersKept"
        self._alarm_own("Leader", "Leaders", 1, "No rtp run leads: nothing is delivered", minutes=3, is_floor=True)
        self._alarm_own("SinkLag", lag, 300, "A sink is five minutes behind; the log grows")
        self._alarm_own(
            "OpenCircuit", "OpenCircuits", 1, "rtp run leaves a service alone that does not answer", minutes=3
        )
        self._alarm_own("DeadLetters", dead, 1, "Events that a sink can never take: rtp dlq list")
        self._alarm_own(
            "Unarmed", "UnarmedWatches", 1, "A watch misses writes: rtp status says which, and why", minutes=2
        )
        self._graph_own("Behind the log, s", "Maximum", lag, "SamplesWaitingSeconds", by="Sink")
        self._graph_own("Delivered", "Sum", "Delivered", by="Sink")
        self._graph_own("Dead letters", "Maximum", dead, by="Sink")
        self._graph_own("Circuits, watches, leaders", "Maximum", "OpenCircuits", "UnarmedWatches", "Leaders")

    def draw(self) -> None:
        """Draw the dashboard of all that is watched."""
        board = cloudwatch.Dashboard(self, "Dashboard", default_interval=Duration.hours(3))
        board.add_widgets(cloudwatch.AlarmStatusWidget(alarms=self._alarms, width=24, title="Alarms"))
        board.add_widgets(
            *(cloudwatch.GraphWidget(title=title, left=found, width=8) for title, found in self._graphs.items())
        )

    def _watch_queues(self, queues: Queues) -> None:
        for one in queues.all:
            age = one.alerts.metric_approximate_age_of_oldest_message(period=_MINUTE)
            self._alarm(f"AlertAge{one.title}", age, 300, "The oldest alert has waited five minutes for a consumer")
            self._graphs[f"Alerts{one.title}"] = [age, one.alerts.metric_number_of_messages_sent(period=_MINUTE)]
        dead = [(f"DeadAlerts{one.title}", one.dead) for one in queues.all if one.dead]
        for title, queue in (*dead, ("Failures", queues.failures)):
            depth = queue.metric_approximate_number_of_messages_visible(period=_MINUTE)
            self._alarm(title, depth, 1, "Something was given up: look at the queue's messages")
            self._graphs[title] = [depth]

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
        self._graphs["Cache, %"] = [memory, engine]

    def _own(self, name: str, statistic: str) -> cloudwatch.Metric | None:
        """A metric that rtp itself writes, of all queues or sinks together; None where it writes none."""
        if self._namespace is None:
            return None
        return cloudwatch.Metric(namespace=self._namespace, metric_name=name, period=_MINUTE, statistic=statistic)

    def _alarm_own(
        self, name: str, metric: str, threshold: float, meaning: str, *, minutes: int = 1, is_floor: bool = False
    ) -> None:
        if own := self._own(metric, "Maximum"):
            self._alarm(name, own, threshold, meaning, minutes=minutes, is_floor=is_floor)

    def _graph_own(self, title: str, statistic: str, *names: str, by: str = "") -> None:
        """Draw what rtp writes; `by` sinks, whatever they are called, each with a line of its own."""
        found: list[cloudwatch.IMetric] = []
        for name in names:
            if by and self._namespace:
                words = f'{{{self._namespace},{by}}} MetricName="{name}"'
                search = f"SEARCH('{words}', '{statistic}', 60)"
                found.append(cloudwatch.MathExpression(expression=search, period=_MINUTE, label=""))
            elif own := self._own(name, statistic):
                found.append(own)
        if found:
            self._graphs[title] = found

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


def _invocations(tick: events.Rule) -> cloudwatch.Metric:
    """How often EventBridge has sent a tick; not whether anything came of it."""
    return cloudwatch.Metric(
        namespace="AWS/Events",
        metric_name="Invocations",
        dimensions_map={"RuleName": tick.rule_name},
        period=_MINUTE,
        statistic="Sum",
    )


def _topic(scope: Construct, key: kms.Key) -> sns.Topic:
    """The topic of all alarms. A policy of its own takes the place of the one by which alarms may publish to any."""
    topic = sns.Topic(scope, "Alarms", master_key=key, enforce_ssl=True)
    alarms = Stack.of(scope).format_arn(
        service="cloudwatch", resource="alarm", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    cloudwatch_itself = iam.ServicePrincipal("cloudwatch.amazonaws.com")
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["sns:Publish"],
            principals=[cloudwatch_itself],
            resources=[topic.topic_arn],
            conditions={"ArnLike": {"aws:SourceArn": alarms}},
        )
    )
    key.grant_encrypt_decrypt(cloudwatch_itself)
    return topic
