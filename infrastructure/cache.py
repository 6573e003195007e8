"""Valkey: cache, stream, channels, and the baselines of a stream source. One that is there, or ElastiCache."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aws_cdk import Fn
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct

from infrastructure.accepted import accept
from infrastructure.users import CacheUsers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms

    from infrastructure.network import Network
    from infrastructure.plan import Plan

_PORT = 6379


class Cache(Construct):
    """The address, the user and the password under which rtp reaches it.

    `secrets` has the password of each user that is made. `first_node` is the name under which CloudWatch knows the
    first node, where that is known.
    """

    def __init__(self, scope: Construct, name: str, plan: Plan, network: Network, key: kms.IKey) -> None:
        super().__init__(scope, name)
        there = plan.deployment.cache
        self.secrets: Mapping[str, secrets.ISecret] = {}
        self.secret: secrets.ISecret | None = None
        self.first_node: str | None = there.node
        if there.url:
            self.url = there.url
            self.host = str(urlsplit(there.url).hostname)
            if there.secret:
                self.secret = secrets.Secret.from_secret_complete_arn(self, "Password", there.secret)
            self._reach(there.url, there.security_group, network)
            return
        users = CacheUsers(self, "Users", key)
        nodes = self._nodes(plan, network, key, users)
        self.secrets, self.secret = users.secrets, users.secrets["rtp"]
        self.host = nodes.attr_primary_end_point_address  # it stays the same through a failover
        self.url = f"rediss://rtp@{self.host}:{_PORT}/0"
        self.first_node = Fn.join("-", [nodes.ref, "001"])

    @property
    def environment(self) -> dict[str, str]:
        """The environment that rtp needs. It reads the password itself, so that this can change at any time."""
        secret = {"RTP_REDIS_SECRET": self.secret.secret_arn} if self.secret else {}
        return {"RTP_REDIS_URL": self.url, **secret}

    def grant(self, to: iam.IGrantable) -> None:
        """Let rtp read its password."""
        if self.secret:
            self.secret.grant_read(to)

    def _reach(self, url: str, group: str | None, network: Network) -> None:
        port = ec2.Port.tcp(urlsplit(url).port or _PORT)
        if group:
            network.connect(ec2.SecurityGroup.from_security_group_id(self, "Security", group), port, "Valkey")
        else:
            network.rtp.add_egress_rule(ec2.Peer.any_ipv4(), port, "Valkey")

    def _nodes(self, plan: Plan, network: Network, key: kms.IKey, users: CacheUsers) -> elasticache.CfnReplicationGroup:
        """Two nodes in two zones, one shard: rtp's scripts touch an entity's keys and the shared stream in one step."""
        # Baselines have no expiry; where memory runs out, cache entries go first.
        parameters = elasticache.CfnParameterGroup(
            self,
            "Parameters",
            cache_parameter_group_family="valkey8",
            description="rtp: only what expires anyway is evicted",
            properties={"maxmemory-policy": "volatile-ttl"},
        )
        subnets = elasticache.CfnSubnetGroup(self, "Subnets", description="rtp", subnet_ids=network.subnet_ids)
        security = ec2.SecurityGroup(self, "Security", vpc=network.vpc, allow_all_outbound=False, description="Valkey")
        network.connect(security, ec2.Port.tcp(_PORT), "Valkey")
        nodes = elasticache.CfnReplicationGroup(
            self,
            "Nodes",
            replication_group_description="rtp",
            engine="valkey",
            engine_version="8.0",
            cache_node_type=plan.deployment.cache.node_type,
            cache_parameter_group_name=parameters.ref,
            cache_subnet_group_name=subnets.ref,
            security_group_ids=[security.security_group_id],
            user_group_ids=[users.group.ref],
            num_cache_clusters=2,
            automatic_failover_enabled=True,
            multi_az_enabled=True,
            at_rest_encryption_enabled=True,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            kms_key_id=key.key_id,
            port=_PORT,
            snapshot_retention_limit=7,
        )
        accept(nodes, "AwsSolutions-AEC6", "Users of its own (RBAC) instead of the one AUTH token")
        return nodes
