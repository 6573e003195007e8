"""The tables, and the Lambda that judges their streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as function
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_logs as logs
from constructs import Construct

from infrastructure.accepted import PACKAGED_FOR, accept, accept_key_use
from infrastructure.roles import lambda_role

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from core.settings.dynamodb import AttributePath
    from core.settings.models import Settings
    from core.settings.watches import Constant
    from infrastructure.cache import Cache
    from infrastructure.network import Network
    from infrastructure.plan import Plan
    from infrastructure.queues import Queues


class Handler(Construct):
    """One function for all tables; each table's stream is a source of its own."""

    def __init__(
        self, scope: Construct, name: str, plan: Plan, *, network: Network, cache: Cache, queues: Queues, key: kms.IKey
    ) -> None:
        super().__init__(scope, name)
        log = logs.LogGroup(
            self,
            "Log",
            encryption_key=key,
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.function = function.Function(
            self,
            "Function",
            runtime=function.Runtime(f"python{plan.python}", function.RuntimeFamily.PYTHON),
            architecture=function.Architecture.ARM_64,
            handler="core.handler.lambda_function.handler",
            code=function.Code.from_asset(str(plan.code)),
            role=lambda_role(self, log, network=network),
            log_group=log,
            memory_size=1024,
            timeout=Duration.seconds(60),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[network.rtp],
            environment_encryption=key,
            environment={
                "RTP_REDIS_URL": f"rediss://rtp@{cache.host}:6379/0",
                "RTP_REDIS_SECRET": cache.secret.secret_arn,
                "RTP_DEAD_LETTER_QUEUE": queues.failures.queue_name,
                "POWERTOOLS_SERVICE_NAME": "rtp",
                **queues.environment,
            },
        )
        accept(self.function, "AwsSolutions-L1", PACKAGED_FOR)
        cache.secret.grant_read(self.function)
        for queue in queues.all:
            queue.alerts.grant_send_messages(self.function)
        queues.failures.grant_send_messages(self.function)
        assert self.function.role is not None
        accept_key_use(self.function.role)
        for table_name, watch in plan.tables.items():
            self._watch(plan, table_name, watch, queues, key)
        events.Rule(
            self,
            "Tick",
            description="Heartbeats, the ends of cooldowns and quarantines, alerts left behind",
            schedule=events.Schedule.rate(Duration.minutes(1)),
            targets=[targets.LambdaFunction(self.function, event=events.RuleTargetInput.from_object({"rtp": "tick"}))],
        )

    def _watch(self, plan: Plan, table_name: str, watch: str, queues: Queues, key: kms.IKey) -> None:
        partition, sort = table_keys(plan.settings, watch)
        table = dynamodb.Table(
            self,
            f"Table-{watch}",
            table_name=table_name,
            partition_key=dynamodb.Attribute(name=partition, type=dynamodb.AttributeType.STRING),
            sort_key=None if sort is None else dynamodb.Attribute(name=sort, type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.function.add_event_source(
            sources.DynamoEventSource(
                table,
                starting_position=function.StartingPosition.TRIM_HORIZON,
                batch_size=plan.batch_records,
                max_batching_window=Duration.seconds(0),
                parallelization_factor=plan.parallelization,
                bisect_batch_on_error=True,
                report_batch_item_failures=True,
                retry_attempts=plan.retries,
                max_record_age=Duration.hours(plan.max_record_age_hours),
                on_failure=sources.SqsDlq(queues.failures),
            )
        )
        assert self.function.role is not None
        # Lambda lists streams on behalf of the mapping; it takes no narrower resource.
        self.function.role.add_to_principal_policy(
            iam.PolicyStatement(actions=["dynamodb:ListStreams"], resources=["*"])
        )


def table_keys(settings: Settings, watch: str) -> tuple[str, str | None]:
    """A table's partition and sort key: an item's entity, and in a history its time.

    Where both chain and entity are attributes, the entity spreads the load and the chain tells its items apart. A
    history has its time as the only sort key, so its chain must be a constant or part of the entity's name.
    """
    found, attributes = settings.watches[watch], settings.dynamodb.tables[watch].attributes
    columns = found.columns
    entity = _key(attributes.entity_of(found.kind), columns.entity)
    chain = _key(attributes.chain, columns.chain)
    if entity is None:
        raise TypeError(f"watches.{watch}: a table's partition key is an attribute, no constant and nothing inside one")
    if found.is_history:
        return entity, _key(attributes.changed_at, columns.changed_at)
    return entity, chain


def _key(attribute: AttributePath | Constant | None, column: str | Constant | None) -> str | None:
    """The attribute that is a key; None for a constant or what is inside an attribute."""
    if isinstance(attribute, tuple):
        return attribute[0] if len(attribute) == 1 else None
    return column if isinstance(column, str) and attribute is None else None
