"""The Lambda that judges the tables' streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as function
from aws_cdk import aws_lambda_event_sources as sources
from constructs import Construct

from infrastructure.accepted import PACKAGED_FOR, accept, accept_tracing
from infrastructure.logs import log_group
from infrastructure.roles import lambda_role, tracing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_kms as kms

    from infrastructure.cache import Cache
    from infrastructure.network import Network
    from infrastructure.plan import Plan
    from infrastructure.queues import Queues
    from infrastructure.tables import Tables

_UNLIMITED = -1


class Handler(Construct):
    """One function for all tables; each table's stream is a source of its own."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        plan: Plan,
        *,
        network: Network,
        tables: Tables,
        cache: Cache,
        queues: Queues,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, name)
        self._plan = plan
        self.function = self._function(network, {**cache.environment, **queues.environment}, key)
        # A snapshot is taken after the start, which asks DynamoDB about the tables.
        self.function.node.add_dependency(network, cache)
        accept(self.function, "AwsSolutions-L1", PACKAGED_FOR)
        self._live = self._published() if plan.deployment.streams.snap_start else self.function
        role = self.function.role
        assert role is not None
        if plan.deployment.watching.tracing:
            accept_tracing(role)
        cache.grant(role)
        queues.grant_sending(role)
        tables.grant(role)
        for table_name, table in tables.all.items():
            self._read(table_name, table, queues)
        self.tick = events.Rule(
            self,
            "Tick",
            description="Heartbeats, the ends of cooldowns and quarantines, alerts left behind",
            schedule=events.Schedule.rate(Duration.minutes(1)),
            targets=[targets.LambdaFunction(self._live, event=events.RuleTargetInput.from_object({"rtp": "tick"}))],
        )

    def _function(self, network: Network, environment: Mapping[str, str], key: kms.IKey) -> function.Function:
        plan = self._plan
        log = log_group(self, key)
        role = lambda_role(self, log, plan=plan, network=network)
        return function.Function(
            self,
            "Function",
            runtime=function.Runtime(f"python{plan.python}", function.RuntimeFamily.PYTHON, supports_snap_start=True),
            architecture=function.Architecture.ARM_64,
            handler="core.handler.lambda_function.handler",
            code=function.Code.from_asset(str(plan.code)),
            role=role,
            log_group=log,
            memory_size=1024,
            timeout=Duration.seconds(60),
            vpc=network.vpc,
            vpc_subnets=network.subnets,
            security_groups=[network.rtp],
            environment_encryption=key,
            environment={
                **environment,
                "POWERTOOLS_SERVICE_NAME": "rtp",
                # Looking for plugins, of which there are none, would take a tenth of a cold start.
                "PYDANTIC_DISABLE_PLUGINS": "__all__",
                **plan.metrics_environment,
            },
            logging_format=function.LoggingFormat.JSON,
            # Lines on each batch's start and end cost more than the batch; CloudWatch's metrics tell the same.
            system_log_level_v2=function.SystemLogLevel.WARN,
            tracing=tracing(plan),
            snap_start=function.SnapStartConf.ON_PUBLISHED_VERSIONS if plan.deployment.streams.snap_start else None,
        )

    def _published(self) -> function.IFunction:
        """The published version: SnapStart has no snapshot of any other."""
        return function.Alias(self, "Live", alias_name="live", version=self.function.current_version)

    def _read(self, table_name: str, table: dynamodb.ITable, queues: Queues) -> None:
        """A batch comes again until it succeeds or is too old: no count of retries outlasts an outage.

        What kills the function, and so reports nothing, is isolated by bisecting: only that is given up with its age.
        """
        streams = self._plan.deployment.streams
        self._live.add_event_source(
            sources.DynamoEventSource(
                table,
                starting_position=function.StartingPosition.TRIM_HORIZON,
                batch_size=streams.batch_records,
                max_batching_window=Duration.millis(int(streams.batch_window.total_seconds() * 1000)),
                parallelization_factor=self._plan.parallelization(table_name),
                bisect_batch_on_error=True,
                report_batch_item_failures=True,
                retry_attempts=_UNLIMITED,
                max_record_age=Duration.seconds(int(streams.max_record_age.total_seconds())),
                on_failure=sources.SqsDlq(queues.failures),
                filters=[{"pattern": pattern} for pattern in self._plan.filters(table_name)] or None,
            )
        )
