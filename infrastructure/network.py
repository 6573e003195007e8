"""The network: the subnets of rtp, and endpoints for the services of AWS that these do not reach already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Fn, Stack
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infrastructure.accepted import accept_warning
from infrastructure.logs import log_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import aws_kms as kms

    from infrastructure.deployment import NetworkSection, Service
    from infrastructure.plan import Plan

DATA: tuple[Service, ...] = ("sqs", "secretsmanager")
IMAGES: tuple[Service, ...] = ("ecr.api", "ecr.dkr", "logs", "s3")
TRACES: tuple[Service, ...] = ("xray",)
RECORDS: tuple[Service, ...] = ("dynamodb-streams",)  # for commands: Lambda reads streams from outside of the network
_BY_GATEWAY = ("dynamodb", "s3")
_OUTWARD = "outward"
# boto3's variable for the address of a service whose door does not answer to the service's own name.
_ADDRESSES: Mapping[Service, str] = {"dynamodb-streams": "AWS_ENDPOINT_URL_DYNAMODB_STREAMS"}


class Network(Construct):
    """The VPC that the deployment names, or one of isolated subnets in two zones; and rtp's own security group.

    `environment` has the addresses of services that do not answer to their own names here. `outward` are subnets from
    which the whole internet is reached, where the deployment tells people: in a VPC that is made they get a NAT.
    """

    def __init__(self, scope: Construct, name: str, plan: Plan, key: kms.IKey, services: Sequence[Service]) -> None:
        super().__init__(scope, name)
        there = plan.deployment.network
        if there.vpc:
            self.vpc = self._found(there)
            self._route_tables: Sequence[str] = there.route_tables
        else:
            made = self._made(key, leads_out=plan.deployment.notify.enabled)
            self._route_tables = [subnet.route_table.route_table_id for subnet in made.isolated_subnets]
            self.vpc = made
        self.subnets = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        is_own = not there.vpc and plan.deployment.notify.enabled
        self.outward = ec2.SubnetSelection(subnet_group_name=_OUTWARD) if is_own else self.subnets
        self.rtp = ec2.SecurityGroup(self, "Rtp", vpc=self.vpc, allow_all_outbound=False, description="rtp itself")
        self.environment: dict[str, str] = {}
        missing = [service for service in services if service not in there.reaches]
        self._open_gateways([service for service in missing if service in _BY_GATEWAY])
        self._open_doors([service for service in missing if service not in _BY_GATEWAY])
        if there.reaches or set(services) & set(_BY_GATEWAY):
            # A gateway's addresses are AWS's public ones, and those of a door or a NAT of others are not known.
            self.rtp.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS services, by gateways and doors")

    @property
    def subnet_ids(self) -> list[str]:
        """The subnets that rtp runs in."""
        return [subnet.subnet_id for subnet in self.vpc.isolated_subnets]

    def connect(self, to: ec2.ISecurityGroup, port: ec2.Port, meaning: str) -> None:
        """Let rtp, and nobody else, reach a port."""
        to.add_ingress_rule(self.rtp, port, meaning)
        self.rtp.add_egress_rule(to, port, meaning)

    def _found(self, there: NetworkSection) -> ec2.IVpc:
        # The zones matter to nothing that is made here, and the CDK wants some.
        zones = [Fn.select(number % 2, Fn.get_azs()) for number, _ in enumerate(there.subnets)]
        vpc = ec2.Vpc.from_vpc_attributes(
            self, "Vpc", vpc_id=there.vpc or "", availability_zones=zones, isolated_subnet_ids=list(there.subnets)
        )
        for subnet in vpc.isolated_subnets:
            accept_warning(subnet, "aws-ec2:noSubnetRouteTableId", "gateways get the route tables' own ids")
        return vpc

    def _made(self, key: kms.IKey, *, leads_out: bool) -> ec2.Vpc:
        isolated = ec2.SubnetConfiguration(name="rtp", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24)
        vpc = ec2.Vpc(
            self,
            "Vpc",
            availability_zones=[Fn.select(0, Fn.get_azs()), Fn.select(1, Fn.get_azs())],
            nat_gateways=1 if leads_out else 0,
            # Those of rtp come first: they keep their addresses when a deployment begins to tell people.
            subnet_configuration=[isolated, *(_ways_out() if leads_out else ())],
            restrict_default_security_group=False,  # that needs a custom resource with more rights than all of rtp
        )
        flow = log_group(self, key, "FlowLog")
        vpc.add_flow_log(
            "Flow",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        return vpc

    def _open_gateways(self, services: Sequence[Service]) -> None:
        for service in services:
            ec2.CfnVPCEndpoint(
                self,
                f"Gateway-{service}",
                vpc_id=self.vpc.vpc_id,
                service_name=f"com.amazonaws.{Stack.of(self).region}.{service}",
                vpc_endpoint_type="Gateway",
                route_table_ids=list(self._route_tables),
            )

    def _open_doors(self, services: Sequence[Service]) -> None:
        if not services:
            return
        doors = ec2.SecurityGroup(
            self, "Doors", vpc=self.vpc, allow_all_outbound=False, description="Endpoints of AWS services"
        )
        self.connect(doors, ec2.Port.tcp(443), "HTTPS to AWS services")
        for service in services:
            door = ec2.InterfaceVpcEndpoint(
                self,
                f"Door-{service}",
                vpc=self.vpc,
                service=ec2.InterfaceVpcEndpointAwsService(service),
                subnets=self.subnets,
                security_groups=[doors],
                private_dns_enabled=service not in _ADDRESSES,
                open=False,
            )
            if variable := _ADDRESSES.get(service):
                zone_and_host = Fn.select(0, door.vpc_endpoint_dns_entries)
                self.environment[variable] = f"https://{Fn.select(1, Fn.split(':', zone_and_host))}"


def _ways_out() -> tuple[ec2.SubnetConfiguration, ec2.SubnetConfiguration]:
    """Subnets behind a NAT, and those of the NAT itself."""
    behind = ec2.SubnetConfiguration(name=_OUTWARD, subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=24)
    public = ec2.SubnetConfiguration(
        name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=28, map_public_ip_on_launch=False
    )
    return behind, public
