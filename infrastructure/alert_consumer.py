"""The example consumer: a Lambda behind the alerts' queue, and the table of the ids that it has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as function
from aws_cdk import aws_lambda_event_sources as sources
from constructs import Construct

from infrastructure.accepted import PACKAGED_FOR, accept, accept_tracing
from infrastructure.logs import log_group
from infrastructure.roles import lambda_role, tracing

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from infrastructure.plan import Plan
    from infrastructure.queues import Queues


class AlertConsumer(Construct):
    """Reads the queue in batches of ten, the most that a FIFO queue allows."""

    def __init__(self, scope: Construct, name: str, plan: Plan, *, queues: Queues, key: kms.IKey) -> None:
        super().__init__(scope, name)
        seen = dynamodb.Table(
            self,
            "Seen",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            time_to_live_attribute="expiration",
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=RemovalPolicy.DESTROY,
        )
        log = log_group(self, key)
        role = lambda_role(self, log)
        if plan.deployment.watching.tracing:
            accept_tracing(role)
        self.function = function.Function(
            self,
            "Function",
            runtime=function.Runtime(f"python{plan.python}", function.RuntimeFamily.PYTHON),
            architecture=function.Architecture.ARM_64,
            handler="alerts.handler",
            code=function.Code.from_asset(str(plan.consumer_code)),
            role=role,
            log_group=log,
            logging_format=function.LoggingFormat.JSON,
            tracing=tracing(plan),
            memory_size=256,
            timeout=Duration.seconds(30),
            environment={"SEEN_TABLE": seen.table_name},
            environment_encryption=key,
        )
        accept(self.function, "AwsSolutions-L1", PACKAGED_FOR)
        seen.grant(self.function, "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
        self.function.add_event_source(
            sources.SqsEventSource(queues.first, batch_size=10, report_batch_item_failures=True)
        )
