"""A network without a way out: rtp reaches AWS's services through endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_kms as kms

SQS = ec2.InterfaceVpcEndpointAwsService.SQS
SECRETS = ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER
IMAGES = (
    ec2.InterfaceVpcEndpointAwsService.ECR,
    ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
)


class Network(Construct):
    """Isolated subnets in two zones, and the security group of the processes of rtp."""

    def __init__(
        self, scope: Construct, name: str, key: kms.IKey, services: Sequence[ec2.IInterfaceVpcEndpointService]
    ) -> None:
        super().__init__(scope, name)
        isolated = ec2.SubnetConfiguration(name="rtp", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[isolated],
            restrict_default_security_group=False,  # that needs a custom resource with more rights than all of rtp
        )
        flow = logs.LogGroup(
            self,
            "FlowLog",
            encryption_key=key,
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.vpc.add_flow_log(
            "Flow",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        self.rtp = ec2.SecurityGroup(self, "Rtp", vpc=self.vpc, allow_all_outbound=False, description="rtp itself")
        doors = ec2.SecurityGroup(
            self, "Doors", vpc=self.vpc, allow_all_outbound=False, description="Endpoints of AWS services"
        )
        self.connect(doors, ec2.Port.tcp(443), "HTTPS to AWS services")
        for number, service in enumerate(services):
            self.vpc.add_interface_endpoint(f"Door{number}", service=service, security_groups=[doors], open=False)

    def connect(self, to: ec2.ISecurityGroup, port: ec2.Port, meaning: str) -> None:
        """Let rtp, and nobody else, reach a port."""
        to.add_ingress_rule(self.rtp, port, meaning)
        self.rtp.add_egress_rule(to, port, meaning)
