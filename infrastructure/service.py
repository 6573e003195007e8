"""`rtp run` in Fargate: one task delivers, the other stands by and takes over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from infrastructure.commands import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infrastructure.commands import Commands
    from infrastructure.network import Network
    from infrastructure.plan import Plan

_PORT = 9464
_HEALTH = f"python -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:{_PORT}/healthz', timeout=4)\""


class Service(Construct):
    """Tasks in two zones; the deployment says how many. `needs` is what must be there before the first of them."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        plan: Plan,
        *,
        network: Network,
        commands: Commands,
        needs: Sequence[Construct],
    ) -> None:
        super().__init__(scope, name)
        task = commands.definition("Run")
        run = commands.container(
            task,
            "rtp",
            ["rtp", "run", "--config", SETTINGS],
            environment={
                "RTP_HTTP_LISTEN": f"127.0.0.1:{_PORT}",
                "RTP_LOG_FORMAT": "json",
                **plan.metrics_environment,
            },
            health_check=ecs.HealthCheck(command=["CMD-SHELL", _HEALTH], start_period=Duration.seconds(60)),
        )
        if plan.deployment.service.install_triggers:
            # `rtp run` refuses to start on the schema of an older version.
            install = commands.container(
                task, "install-triggers", ["rtp", "install-triggers", "--config", SETTINGS], is_essential=False
            )
            run.add_container_dependencies(
                ecs.ContainerDependency(container=install, condition=ecs.ContainerDependencyCondition.SUCCESS)
            )
        self.service = ecs.FargateService(
            self,
            "Run",
            cluster=commands.cluster,
            task_definition=task,
            desired_count=plan.deployment.service.tasks,
            min_healthy_percent=50,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            security_groups=[network.rtp],
            vpc_subnets=network.subnets,
        )
        # A task that starts before its ways and rights are there fails, and three of these fail the deployment.
        self.service.node.add_dependency(network, commands, *needs)
