"""PostgreSQL: one that is there, RDS or Aurora, or RDS in two zones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infrastructure.accepted import accept

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms

    from infrastructure.network import Network
    from infrastructure.plan import Plan

_PORT = 5433
# Where the image has the certificates of AWS's authorities for RDS.
_VERIFIED = {"sslmode": "verify-full", "sslrootcert": "/app/rds-ca.pem"}


class Database(Construct):
    """The address without a password, and the secret that holds it.

    `instance` is the name under which CloudWatch knows it, where that is known.
    """

    def __init__(self, scope: Construct, name: str, plan: Plan, network: Network, key: kms.IKey) -> None:
        super().__init__(scope, name)
        there = plan.deployment.database
        self.secret: secrets.ISecret | None = None
        self.instance: str | None = there.instance
        if there.dsn:
            parts = conninfo_to_dict(there.dsn)
            # Another authority's certificate comes with a file of its own, in an image of its own.
            self.dsn = make_conninfo(there.dsn, **{word: text for word, text in _VERIFIED.items() if word not in parts})
            self.host = str(parts.get("host"))
            if there.secret:
                self.secret = secrets.Secret.from_secret_complete_arn(self, "Password", there.secret)
            self._reach(int(parts.get("port") or 5432), there.security_group, network)
            return
        made = self._made(plan, network, key)
        self.instance, self.secret = made.instance_identifier, made.secret
        self.host = made.db_instance_endpoint_address
        words = {"host": self.host, "port": _PORT, "dbname": "defi", "user": "rtp_owner", **_VERIFIED}
        self.dsn = " ".join(f"{word}={text}" for word, text in words.items())

    @property
    def environment(self) -> dict[str, str]:
        """The environment that rtp needs. It reads the password itself, so that this can change at any time."""
        secret = {"RTP_POSTGRES_SECRET": self.secret.secret_arn} if self.secret else {}
        return {"RTP_POSTGRES_DSN": self.dsn, **secret}

    def grant(self, to: iam.IGrantable) -> None:
        """Let rtp read its password."""
        if self.secret:
            self.secret.grant_read(to)

    def _reach(self, port: int, group: str | None, network: Network) -> None:
        if group:
            there = ec2.SecurityGroup.from_security_group_id(self, "Security", group)
            network.connect(there, ec2.Port.tcp(port), "PostgreSQL")
        else:
            network.rtp.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), "PostgreSQL")

    def _made(self, plan: Plan, network: Network, key: kms.IKey) -> rds.DatabaseInstance:
        """An instance with a standby in the other zone. TLS only; RDS itself rotates its password."""
        security = ec2.SecurityGroup(
            self, "Security", vpc=network.vpc, allow_all_outbound=False, description="PostgreSQL"
        )
        network.connect(security, ec2.Port.tcp(_PORT), "PostgreSQL")
        instance = rds.DatabaseInstance(
            self,
            "Instance",
            engine=rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17_9),
            instance_type=ec2.InstanceType(plan.deployment.database.instance_class.removeprefix("db.")),
            vpc=network.vpc,
            vpc_subnets=network.subnets,
            security_groups=[security],
            credentials=rds.Credentials.from_username("rtp_owner", encryption_key=key),
            manage_master_user_password=True,
            database_name="defi",
            port=_PORT,
            multi_az=True,
            storage_encrypted=True,
            storage_encryption_key=key,
            allocated_storage=50,
            max_allocated_storage=500,
            storage_type=rds.StorageType.GP3,
            backup_retention=Duration.days(7),
            deletion_protection=plan.deployment.database.deletion_protection,
            # Kept, but not by a first deployment that failed: it would keep the network from being deleted.
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
            parameters={"rds.force_ssl": "1"},
            cloudwatch_logs_exports=["postgresql"],
            auto_minor_version_upgrade=True,
        )
        accept(instance, "AwsSolutions-RDS10", "A first deployment that failed must be able to delete it")
        return instance
