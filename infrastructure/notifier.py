"""The Lambda that tells people: `rtp notify` behind the queues of alerts, with its outbox in Valkey."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as function
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct

from infrastructure.accepted import PACKAGED_FOR, accept, accept_tracing
from infrastructure.logs import log_group
from infrastructure.roles import lambda_role, tracing

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from infrastructure.cache import Cache
    from infrastructure.network import Network
    from infrastructure.plan import Plan
    from infrastructure.queues import Queues

_MOST_AT_ONCE = 10
"""Instances for each queue: they put alerts into one outbox, and each destination is told by one of them at a time."""


class NotifierFunction(Construct):
    """One function for all queues; a tick each minute tells what waits for a time.

    It reaches the whole internet, as nobody knows where the services of people are; nothing reaches it.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        plan: Plan,
        *,
        network: Network,
        cache: Cache,
        queues: Queues,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, name)
        self._plan = plan
        self.secret = self._addresses(key)
        self.function = self._function(network, cache, queues, key)
        self.function.node.add_dependency(network, cache)
        role = self.function.role
        assert role is not None
        if plan.deployment.watching.tracing:
            accept_tracing(role)
        cache.grant(role)
        self.secret.grant_read(role)
        for one in queues.told:
            self.function.add_event_source(
                sources.SqsEventSource(
                    one.alerts, batch_size=10, report_batch_item_failures=True, max_concurrency=_MOST_AT_ONCE
                )
            )
        self.tick = events.Rule(
            self,
            "Tick",
            description="Digests, ends of quiet hours, tries again, escalations",
            schedule=events.Schedule.rate(Duration.minutes(1)),
            targets=[targets.LambdaFunction(self.function, event=events.RuleTargetInput.from_object({"rtp": "tick"}))],
        )

    def _addresses(self, key: kms.IKey) -> secrets.ISecret:
        """The variables that rtp.yaml names, and RTP_NOTIFY_KEY, as one JSON document. One that is made has the key."""
        if there := self._plan.deployment.notify.secret:
            return secrets.Secret.from_secret_complete_arn(self, "Addresses", there)
        made = secrets.Secret(
            self,
            "Addresses",
            encryption_key=key,
            removal_policy=RemovalPolicy.DESTROY,
            generate_secret_string=secrets.SecretStringGenerator(
                secret_string_template=json.dumps(dict.fromkeys(self._plan.notify_variables, "")),
                generate_string_key="RTP_NOTIFY_KEY",
                exclude_punctuation=True,
                password_length=48,
            ),
        )
        accept(made, "AwsSolutions-SMG4", "Addresses of services of others, whose tokens only they can rotate")
        return made

    def _function(self, network: Network, cache: Cache, queues: Queues, key: kms.IKey) -> function.Function:
        plan = self._plan
        log = log_group(self, key)
        outward = ec2.SecurityGroup(
            self, "Outward", vpc=network.vpc, allow_all_outbound=True, description="rtp notify, to services of people"
        )
        made = function.Function(
            self,
            "Function",
            runtime=function.Runtime(f"python{plan.python}", function.RuntimeFamily.PYTHON),
            architecture=function.Architecture.ARM_64,
            handler="core.notify.serverless.lambda_function.handler",
            code=function.Code.from_asset(str(plan.notify_code)),
            role=lambda_role(self, log, plan=plan, network=network),
            log_group=log,
            logging_format=function.LoggingFormat.JSON,
            system_log_level_v2=function.SystemLogLevel.WARN,
            tracing=tracing(plan),
            memory_size=512,
            timeout=Duration.seconds(60),  # a tick may last as long as until the next one
            vpc=network.vpc,
            vpc_subnets=network.outward,
            security_groups=[network.rtp, outward],
            environment_encryption=key,
            environment={
                **cache.environment,
                **queues.environment,
                "RTP_NOTIFY_SECRET": self.secret.secret_arn,
                "POWERTOOLS_SERVICE_NAME": "rtp-notify",
                "PYDANTIC_DISABLE_PLUGINS": "__all__",
                **plan.metrics_environment,
            },
        )
        accept(made, "AwsSolutions-L1", PACKAGED_FOR)
        return made
