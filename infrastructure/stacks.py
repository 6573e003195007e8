"""The two ways to run rtp on AWS: on DynamoDB's streams in Lambda, or on RDS PostgreSQL in Fargate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from infrastructure.alert_consumer import AlertConsumer
from infrastructure.cache import Cache
from infrastructure.database import Database
from infrastructure.handler import Handler
from infrastructure.network import IMAGES, SECRETS, SQS, Network
from infrastructure.queues import Queues
from infrastructure.service import Service
from infrastructure.watching import Watching

if TYPE_CHECKING:
    from constructs import Construct

    from infrastructure.plan import Plan


class StreamsStack(Stack):
    """DynamoDB tables, the handler, Valkey, queues, a consumer, alarms and a dashboard."""

    def __init__(self, scope: Construct, name: str, plan: Plan, **options: Any) -> None:
        super().__init__(scope, name, **options)
        key = _key(self)
        network = Network(self, "Network", key, [SQS, SECRETS])
        cache, queues = Cache(self, "Cache", plan, network, key), Queues(self, "Queues", plan, key)
        handler = Handler(self, "Handler", plan, network=network, cache=cache, queues=queues, key=key)
        consumer = AlertConsumer(self, "Consumer", plan, queues=queues, key=key)
        watching = Watching(self, "Watching", queues=queues, cache=cache, key=key)
        watching.watch_iterator(handler.function)
        watching.watch_function(handler.function, "Handler")
        watching.watch_function(consumer.function, "Consumer")
        watching.draw()
        _tell(
            self,
            AlarmTopic=watching.topic.topic_arn,
            AlertQueue=queues.first.queue_url,
            FailureQueue=queues.failures.queue_url,
            CacheHost=cache.host,
            CachePassword=cache.secret.secret_arn,
            ClientGroup=network.rtp.security_group_id,
        )


class PostgresStack(Stack):
    """RDS PostgreSQL, `rtp run` and its standby, Valkey, queues, a consumer, alarms and a dashboard."""

    def __init__(self, scope: Construct, name: str, plan: Plan, **options: Any) -> None:
        super().__init__(scope, name, **options)
        key = _key(self)
        network = Network(self, "Network", key, [SQS, SECRETS, *IMAGES])
        cache, queues = Cache(self, "Cache", plan, network, key), Queues(self, "Queues", plan, key)
        database = Database(self, "Database", plan, network, key)
        service = Service(
            self, "Service", plan, network=network, cache=cache, queues=queues, database=database, key=key
        )
        consumer = AlertConsumer(self, "Consumer", plan, queues=queues, key=key)
        watching = Watching(self, "Watching", queues=queues, cache=cache, key=key)
        watching.watch_function(consumer.function, "Consumer")
        watching.watch_service(service.service, database.instance)
        watching.draw()
        assert database.instance.secret is not None
        _tell(
            self,
            AlarmTopic=watching.topic.topic_arn,
            AlertQueue=queues.first.queue_url,
            CacheHost=cache.host,
            CachePassword=cache.secret.secret_arn,
            ClientGroup=network.rtp.security_group_id,
            DatabaseHost=database.instance.db_instance_endpoint_address,
            DatabasePassword=database.instance.secret.secret_arn,
            ClusterName=service.service.cluster.cluster_name,
            TaskDefinition=service.service.task_definition.task_definition_arn,
            SubnetIds=",".join(subnet.subnet_id for subnet in network.vpc.isolated_subnets),
        )


def _tell(stack: Stack, **outputs: str) -> None:
    """Outputs for the operator: the topic to subscribe to, the security group to join, the hosts to connect to."""
    for name, value in outputs.items():
        CfnOutput(stack, name, value=value)


def _key(stack: Stack) -> kms.Key:
    """One key for everything. Its policy must name CloudWatch Logs, and does so for this account's log groups only."""
    key = kms.Key(stack, "Key", enable_key_rotation=True, removal_policy=RemovalPolicy.RETAIN)
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
