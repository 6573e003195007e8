"""The two ways to run rtp on AWS: on DynamoDB's streams in Lambda, or on RDS PostgreSQL in Fargate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from core.settings.real_names import VARIABLE
from infrastructure.alert_consumer import AlertConsumer
from infrastructure.cache import Cache
from infrastructure.commands import Commands
from infrastructure.database import Database
from infrastructure.handler import Handler
from infrastructure.network import DATA, IMAGES, RECORDS, TRACES, Network
from infrastructure.notifier import NotifierFunction
from infrastructure.queues import Queues
from infrastructure.service import Service
from infrastructure.tables import Tables
from infrastructure.watching import Watching

if TYPE_CHECKING:
    from constructs import Construct

    from infrastructure.plan import Plan

# Under which output the password of each user of the cache is found.
_PASSWORDS = {"rtp": "CachePassword", "rtp-reader": "ReaderPassword", "rtp-cache": "CacheReaderPassword"}


class StreamsStack(Stack):
    """DynamoDB tables, the handler, Valkey, queues, a consumer, alarms and a dashboard."""

    def __init__(self, scope: Construct, name: str, plan: Plan, **options: Any) -> None:
        super().__init__(scope, name, **options)
        key = _key(self)
        has_commands = plan.deployment.streams.commands
        traces = TRACES if plan.deployment.watching.tracing else ()
        services = [*DATA, "dynamodb", *((*IMAGES, *RECORDS) if has_commands else ()), *traces]
        network = Network(self, "Network", plan, key, services)
        cache, queues = Cache(self, "Cache", plan, network, key), Queues(self, "Queues", plan, key)
        tables = Tables(self, "Tables", plan, key)
        handler = Handler(self, "Handler", plan, network=network, tables=tables, cache=cache, queues=queues, key=key)
        watching = Watching(self, "Watching", plan, queues=queues, cache=cache, key=key)
        watching.watch_handler(handler.function, handler.tick)
        _add_consumer(self, plan, network, cache, queues, watching, key)
        watching.draw()
        _tell(self, FailureQueue=queues.failures.queue_url)
        _tell_common(self, network, cache, queues, watching)
        if has_commands:
            commands = Commands(
                self, "Commands", plan, network=network, source=tables, cache=cache, queues=queues, key=key
            )
            _tell_commands(self, commands, network)


class PostgresStack(Stack):
    """RDS PostgreSQL, `rtp run` and its standby, Valkey, queues, a consumer, alarms and a dashboard."""

    def __init__(self, scope: Construct, name: str, plan: Plan, **options: Any) -> None:
        super().__init__(scope, name, **options)
        key = _key(self)
        network = Network(self, "Network", plan, key, [*DATA, *IMAGES])
        cache, queues = Cache(self, "Cache", plan, network, key), Queues(self, "Queues", plan, key)
        database = Database(self, "Database", plan, network, key)
        commands = Commands(
            self, "Commands", plan, network=network, source=database, cache=cache, queues=queues, key=key
        )
        service = Service(self, "Service", plan, network=network, commands=commands, needs=[cache, database])
        watching = Watching(self, "Watching", plan, queues=queues, cache=cache, key=key)
        _add_consumer(self, plan, network, cache, queues, watching, key)
        watching.watch_service(service.service, database.instance)
        watching.draw()
        _tell(self, DatabaseHost=database.host)
        if database.secret:
            _tell(self, DatabasePassword=database.secret.secret_arn)
        _tell_common(self, network, cache, queues, watching)
        _tell_commands(self, commands, network)


def _add_consumer(
    stack: Stack, plan: Plan, network: Network, cache: Cache, queues: Queues, watching: Watching, key: kms.IKey
) -> None:
    """Who tells people, or the example consumer, behind a queue that is made: one that was there has its own."""
    if plan.deployment.notify.enabled:
        notifier = NotifierFunction(stack, "Notifier", plan, network=network, cache=cache, queues=queues, key=key)
        watching.watch_notifier(notifier.function, notifier.tick)
        _tell(stack, NotifySecret=notifier.secret.secret_arn)
    elif queues.all[0].is_made:
        consumer = AlertConsumer(stack, "Consumer", plan, queues=queues, key=key)
        watching.watch_function(consumer.function, "Consumer")


def _tell_common(stack: Stack, network: Network, cache: Cache, queues: Queues, watching: Watching) -> None:
    if VARIABLE in queues.environment:
        _tell(stack, Names=queues.environment[VARIABLE])
    passwords = {_PASSWORDS[user]: secret.secret_arn for user, secret in cache.secrets.items()}
    _tell(
        stack,
        AlarmTopic=watching.topic.topic_arn,
        AlertQueue=queues.first.queue_url,
        CacheHost=cache.host,
        ClientGroup=network.rtp.security_group_id,
        **passwords,
    )


def _tell_commands(stack: Stack, commands: Commands, network: Network) -> None:
    """What `aws ecs run-task` takes."""
    _tell(
        stack,
        ClusterName=commands.cluster.cluster_name,
        TaskDefinition=commands.task.task_definition_arn,
        SubnetIds=",".join(network.subnet_ids),
    )


def _tell(stack: Stack, **outputs: str) -> None:
    """Outputs for the operator: the topic to subscribe to, the security group to join, the hosts to connect to."""
    for name, value in outputs.items():
        CfnOutput(stack, name, value=value)


def _key(stack: Stack) -> kms.Key:
    """One key for everything. Its policy must name CloudWatch Logs, and does so for this account's log groups only."""
    # Tables and databases that stay need it.
    key = kms.Key(stack, "Key", enable_key_rotation=True, removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
    logs = iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")
    groups = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:*"
    key.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            principals=[logs],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )
    )
    return key
