"""rtp's image, and a task for one-off commands: `rtp install-triggers`, `rtp status`, `rtp dlq`, `rtp replay`.

Nothing but rtp reaches the cache and the database, and this is the way in for people.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import aws_ecr_assets as assets
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from infrastructure.accepted import accept
from infrastructure.logs import log_group
from infrastructure.roles import allow_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import aws_kms as kms

    from infrastructure.cache import Cache
    from infrastructure.database import Database
    from infrastructure.network import Network
    from infrastructure.plan import Plan
    from infrastructure.queues import Queues
    from infrastructure.tables import Tables

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
    "requirements-service.lock",
    "build/service",
)
SETTINGS = "/app/rtp.yaml"


class Commands(Construct):
    """`task` runs the command that it is started with; `definition` makes further tasks with the same rights."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        plan: Plan,
        *,
        network: Network,
        source: Database | Tables,
        cache: Cache,
        queues: Queues,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, name)
        self._plan, self._network, self._source, self._cache, self._queues = plan, network, source, cache, queues
        self.cluster = ecs.Cluster(
            self, "Cluster", vpc=network.vpc, container_insights_v2=ecs.ContainerInsights.ENABLED
        )
        self.log = log_group(self, key)
        self._image = ecs.ContainerImage.from_asset(
            str(_ROOT),
            file="infrastructure/Dockerfile",
            platform=assets.Platform.LINUX_ARM64,
            exclude=["*", *(f"!{name}" for name in _IN_THE_IMAGE)],
        )
        self.task = self.definition("Task")
        self.container(self.task, "rtp", ["rtp", "--help"])

    def definition(self, name: str) -> ecs.FargateTaskDefinition:
        """A task with the rights that rtp and its commands need."""
        task = ecs.FargateTaskDefinition(
            self,
            name,
            cpu=1024,
            memory_limit_mib=2048,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
        )
        accept(task, "AwsSolutions-ECS2", "Addresses and names only; rtp reads passwords from Secrets Manager")
        self._source.grant(task.task_role)
        self._cache.grant(task.task_role)
        self._queues.grant_sending(task.task_role)
        self._queues.grant_dead_letters(task.task_role)
        allow_keys(task.task_role, self._plan)
        role = task.obtain_execution_role()
        accept(role, "AwsSolutions-IAM5[Resource::*]", "ecr:GetAuthorizationToken takes no other")
        return task

    def container(
        self,
        task: ecs.FargateTaskDefinition,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        health_check: ecs.HealthCheck | None = None,
        is_essential: bool = True,
    ) -> ecs.ContainerDefinition:
        """A container of rtp's image in a task, with rtp's environment."""
        return task.add_container(
            name,
            image=self._image,
            command=list(command),
            essential=is_essential,
            logging=ecs.LogDrivers.aws_logs(stream_prefix="rtp", log_group=self.log),
            readonly_root_filesystem=True,
            environment={
                **self._network.environment,
                **self._source.environment,
                **self._cache.environment,
                **self._queues.environment,
                **(environment or {}),
            },
            health_check=health_check,
        )
