"""A Lambda's role. It may write the Lambda's log group; other rights are granted where they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam

from infrastructure.accepted import accept

if TYPE_CHECKING:
    from aws_cdk import aws_logs as logs
    from constructs import Construct

    from infrastructure.network import Network

_NETWORK_CARDS = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)


def lambda_role(scope: Construct, log: logs.ILogGroup, *, network: Network | None = None) -> iam.Role:
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
    return role
