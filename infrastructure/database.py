"""RDS for PostgreSQL in two zones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from constructs import Construct

from infrastructure.accepted import ROTATED_BY_HAND, accept

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from infrastructure.network import Network
    from infrastructure.plan import Plan


class Database(Construct):
    """An instance with a standby in the other zone. TLS only; its password is in Secrets Manager."""

    def __init__(self, scope: Construct, name: str, plan: Plan, network: Network, key: kms.IKey) -> None:
        super().__init__(scope, name)
        security = ec2.SecurityGroup(
            self, "Security", vpc=network.vpc, allow_all_outbound=False, description="PostgreSQL"
        )
        self.port = 5433
        network.connect(security, ec2.Port.tcp(self.port), "PostgreSQL")
        engine = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17_9)
        self.instance = rds.DatabaseInstance(
            self,
            "Instance",
            engine=engine,
            instance_type=ec2.InstanceType(plan.database_class.removeprefix("db.")),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[security],
            credentials=rds.Credentials.from_generated_secret(
                "rtp_owner", encryption_key=key, exclude_characters=" '\"@/\\"
            ),
            database_name="defi",
            port=self.port,
            multi_az=True,
            storage_encrypted=True,
            storage_encryption_key=key,
            allocated_storage=50,
            max_allocated_storage=500,
            storage_type=rds.StorageType.GP3,
            backup_retention=Duration.days(7),
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
            parameters={"rds.force_ssl": "1"},
            cloudwatch_logs_exports=["postgresql"],
            auto_minor_version_upgrade=True,
        )
        accept(self.instance, "AwsSolutions-SMG4", ROTATED_BY_HAND)
