"""A Lambda's role, and what every role of rtp may do; other rights are granted where they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as function

from infrastructure.accepted import accept

if TYPE_CHECKING:
    from aws_cdk import aws_logs as logs
    from constructs import Construct

    from infrastructure.network import Network
    from infrastructure.plan import Plan

_NETWORK_CARDS = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)


def lambda_role(
    scope: Construct, log: logs.ILogGroup, *, plan: Plan | None = None, network: Network | None = None
) -> iam.Role:
    """A role that writes one log group. AWS's managed policies allow every log group of the account."""
    role = iam.Role(scope, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log.grant_write(role)
    if network is not None:
        role.add_to_policy(iam.PolicyStatement(actions=list(_NETWORK_CARDS), resources=["*"]))
        accept(
            role,
            "AwsSolutions-IAM5[Resource::*]",
            "EC2 takes no narrower resource for these",
        )
    if plan is not None:
        allow_keys(role, plan)
    return role


def tracing(plan: Plan) -> function.Tracing:
    """Whether X-Ray traces a function; then the CDK gives its role the right to send traces."""
    return function.Tracing.ACTIVE if plan.deployment.watching.tracing else function.Tracing.DISABLED


def allow_keys(role: iam.IRole, plan: Plan) -> None:
    """Let rtp use the keys of others that encrypt the queues, secrets and streams that are there."""
    if keys := plan.deployment.keys:
        role.add_to_principal_policy(
            iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=list(keys))
        )
