"""ElastiCache for Valkey: cache, stream, channels, and the baselines of a stream source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Fn, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct

from infrastructure.accepted import ROTATED_BY_HAND, accept

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from infrastructure.network import Network
    from infrastructure.plan import Plan

# rtp's own keys and channels only, and no dangerous command.
_RIGHTS = "on ~rtp:* &rtp:* -@all +@read +@write +@scripting +@pubsub +@connection +time -@dangerous"


class Cache(Construct):
    """Two nodes in two zones, one shard: rtp's scripts touch an entity's keys and the shared stream in one step."""

    def __init__(self, scope: Construct, name: str, plan: Plan, network: Network, key: kms.IKey) -> None:
        super().__init__(scope, name)
        self.secret = secrets.Secret(
            self,
            "Password",
            encryption_key=key,
            removal_policy=RemovalPolicy.DESTROY,
            generate_secret_string=secrets.SecretStringGenerator(
                secret_string_template='{"username": "rtp"}',  # noqa: S106 - the password is generated
                generate_string_key="password",
                exclude_punctuation=True,
                password_length=48,
            ),
        )
        accept(self.secret, "AwsSolutions-SMG4", ROTATED_BY_HAND)
        user = elasticache.CfnUser(
            self,
            "User",
            engine="valkey",
            user_id="rtp",
            user_name="rtp",
            access_string=_RIGHTS,
            authentication_mode={
                "Type": "password",
                "Passwords": [self.secret.secret_value_from_json("password").unsafe_unwrap()],
            },
        )
        group = elasticache.CfnUserGroup(self, "Users", engine="valkey", user_group_id="rtp", user_ids=[user.user_id])
        group.node.add_dependency(user)
        # Baselines have no expiry; where memory runs out, cache entries go first.
        parameters = elasticache.CfnParameterGroup(
            self,
            "Parameters",
            cache_parameter_group_family="valkey8",
            description="rtp: only what expires anyway is evicted",
            properties={"maxmemory-policy": "volatile-ttl"},
        )
        subnets = elasticache.CfnSubnetGroup(
            self,
            "Subnets",
            description="rtp",
            subnet_ids=[subnet.subnet_id for subnet in network.vpc.isolated_subnets],
        )
        security = ec2.SecurityGroup(self, "Security", vpc=network.vpc, allow_all_outbound=False, description="Valkey")
        network.connect(security, ec2.Port.tcp(6379), "Valkey")
        self.nodes = elasticache.CfnReplicationGroup(
            self,
            "Nodes",
            replication_group_description="rtp",
            engine="valkey",
            engine_version="8.0",
            cache_node_type=plan.cache_node,
            cache_parameter_group_name=parameters.ref,
            cache_subnet_group_name=subnets.ref,
            security_group_ids=[security.security_group_id],
            user_group_ids=[group.ref],
            num_cache_clusters=2,
            automatic_failover_enabled=True,
            multi_az_enabled=True,
            at_rest_encryption_enabled=True,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            kms_key_id=key.key_id,
            port=6379,
            snapshot_retention_limit=7,
        )
        accept(self.nodes, "AwsSolutions-AEC6", "A user of its own (RBAC) instead of the one AUTH token")

    @property
    def host(self) -> str:
        """The primary's name; it stays the same through a failover."""
        return str(self.nodes.attr_primary_end_point_address)

    @property
    def first_node(self) -> str:
        """The name under which CloudWatch knows the first node."""
        return str(Fn.join("-", [self.nodes.ref, "001"]))
