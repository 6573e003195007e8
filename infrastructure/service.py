"""`rtp run` in Fargate: one task delivers, the other stands by and takes over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs
from constructs import Construct

from infrastructure.accepted import accept, accept_key_use

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from infrastructure.cache import Cache
    from infrastructure.database import Database
    from infrastructure.network import Network
    from infrastructure.plan import Plan
    from infrastructure.queues import Queues

_ROOT = Path(__file__).parents[1]
# `make package` leaves the settings in build/service.
_IN_THE_IMAGE = (
    "rtp_client",
    "core",
    "cli",
    "triggers",
    "configs",
    "loadtests",
    "pyproject.toml",
    "README.md",
    "requirements-lambda.lock",
    "build/service",
)
_PORT = 9464
_HEALTH = f"python -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:{_PORT}/healthz', timeout=4)\""
# ECS gives each secret as a variable of its own. The shell puts the password, which needs no quoting, into the address.
_START = 'RTP_REDIS_URL="rediss://rtp:$REDIS_PASSWORD@$REDIS_HOST:6379/0" exec rtp run --config /app/rtp.yaml'


class Service(Construct):
    """Tasks in two zones; the plan says how many."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        plan: Plan,
        *,
        network: Network,
        cache: Cache,
        queues: Queues,
        database: Database,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, name)
        cluster = ecs.Cluster(self, "Cluster", vpc=network.vpc, container_insights_v2=ecs.ContainerInsights.ENABLED)
        network.vpc.add_gateway_endpoint("Layers", service=ec2.GatewayVpcEndpointAwsService.S3)
        network.rtp.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "The images' layers, through S3's gateway")
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            cpu=1024,
            memory_limit_mib=2048,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
        )
        log = logs.LogGroup(
            self,
            "Log",
            encryption_key=key,
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.DESTROY,
        )
        secret = database.instance.secret
        assert secret is not None
        host = database.instance.db_instance_endpoint_address
        task.add_container(
            "rtp",
            image=ecs.ContainerImage.from_asset(
                str(_ROOT),
                file="infrastructure/Dockerfile",
                platform=assets.Platform.LINUX_ARM64,
                exclude=["*", *(f"!{name}" for name in _IN_THE_IMAGE)],
            ),
            command=["sh", "-c", _START],
            logging=ecs.LogDrivers.aws_logs(stream_prefix="rtp", log_group=log),
            readonly_root_filesystem=True,
            environment={
                "RTP_POSTGRES_DSN": f"host={host} port={database.port} dbname=defi user=rtp_owner sslmode=require",
                "RTP_HTTP_LISTEN": f"127.0.0.1:{_PORT}",
                "REDIS_HOST": cache.host,
                **queues.environment,
            },
            health_check=ecs.HealthCheck(command=["CMD-SHELL", _HEALTH], start_period=Duration.seconds(60)),
            secrets={
                "PGPASSWORD": ecs.Secret.from_secrets_manager(secret, "password"),
                "REDIS_PASSWORD": ecs.Secret.from_secrets_manager(cache.secret, "password"),
            },
        )
        for queue in queues.all:
            queue.alerts.grant_send_messages(task.task_role)
            queue.dead.grant_send_messages(task.task_role)  # copies of rtp's own dead letters: docs/dead-letters.md
        accept_key_use(task.task_role)
        self.service = ecs.FargateService(
            self,
            "Run",
            cluster=cluster,
            task_definition=task,
            desired_count=plan.tasks,
            min_healthy_percent=50,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            security_groups=[network.rtp],
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
        )
        accept(task, "AwsSolutions-ECS2", "Addresses and names only; passwords come from Secrets Manager")
        assert task.execution_role is not None
        accept(
            task.execution_role,
            "AwsSolutions-IAM5[Resource::*]",
            "ecr:GetAuthorizationToken takes no other",
        )
