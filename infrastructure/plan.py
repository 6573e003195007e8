"""What is made, and what it is called: the deployment file and rtp's own settings, brought together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.handler.filters import filter_patterns
from core.handler.ordering import needs_factor_one
from core.settings.file import default_path
from core.settings.notify import SHIPPED_TEMPLATES
from core.settings.real_names import with_real_names
from core.settings.variables import Variable
from core.sinks.settings import load_settings
from core.sinks.sqs.queues import DEFAULT_SINK, SqsDestination, sqs_destinations
from infrastructure.deployment import Deployment
from infrastructure.deployment_file import read_deployment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from core.settings.located_yaml import Place
    from core.settings.models import Settings

ALERTS = "rtp-alerts.fifo"
FAILURES = "rtp-failures"
_LONGEST = {"queues": 80, "tables": 255}
_MOST_NAMES = 3000  # characters: a Lambda's environment has 4 KB for all variables


@dataclass(frozen=True)
class Plan:
    """A deployment of these settings. `written` are the settings as the file has them, with its own names."""

    written: Settings
    deployment: Deployment

    @property
    def name(self) -> str:
        """What every name starts with."""
        return self.deployment.name

    @cached_property
    def settings(self) -> Settings:
        """The settings as they hold where this is deployed, with the real names of queues and tables."""
        return with_real_names(self.written, self.names)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The real names by those in the settings, where the two differ: made things get the deployment's prefix."""
        there = {name: arn.rpartition(":")[2] for name, arn in self.deployment.queues.items()}
        there |= {name: table_of(arn) for name, arn in self.deployment.tables.items()}
        prefix = "" if self.name == Deployment().name else f"{self.name}-"
        named = (*queues_of(self.written), *tables_of(self.written), ALERTS, FAILURES)
        real = {name: there.get(name, f"{prefix}{name}") for name in named}
        return {name: called for name, called in real.items() if name != called}

    def written_name(self, real: str) -> str:
        """What the settings call a queue of this real name."""
        return next((name for name, called in self.names.items() if called == real), real)

    @property
    def notify_variables(self) -> list[str]:
        """The environment variables that hold addresses of people, in the settings' order."""
        places = (place for audience in self.settings.notify for place in audience.to)
        return list(dict.fromkeys(str(place.url) for place in places if isinstance(place.url, Variable)))

    @property
    def notify_templates(self) -> list[Path]:
        """The files that audiences are told by."""
        named = (audience.template for audience in self.settings.notify)
        return [Path(name) for name in named if name and name not in SHIPPED_TEMPLATES]

    @property
    def failures(self) -> str:
        """The queue for the records that could not be used."""
        return self.settings.dynamodb.dead_letter_queue or self.names.get(FAILURES, FAILURES)

    @property
    def alert_queues(self) -> Sequence[SqsDestination]:
        """Every queue that the settings name, the default first. Where they name none, one queue all the same."""
        return sqs_destinations(self.settings) or [
            SqsDestination(DEFAULT_SINK, self.names.get(ALERTS, ALERTS), None, is_default=True)
        ]

    def queue_there(self, name: str) -> str | None:
        """The ARN of a queue of this real name, where the deployment says that there is one."""
        arns = self.deployment.queues.values()
        return next((arn for arn in arns if arn.rpartition(":")[2] == name), None)

    def table_there(self, name: str) -> str | None:
        """The ARN of a table of this real name, or of its stream, where the deployment says that there is one."""
        return next((arn for arn in self.deployment.tables.values() if table_of(arn) == name), None)

    @property
    def metrics(self) -> str | None:
        """The namespace of rtp's own metrics in CloudWatch, where there are any: each deployment has its own."""
        return self.name if self.deployment.watching.metrics else None

    @property
    def metrics_environment(self) -> Mapping[str, str]:
        """The environment in which rtp writes them."""
        return {"RTP_EMF_NAMESPACE": self.metrics} if self.metrics else {}

    @property
    def code(self) -> Path:
        """The handler's code, where `make package` has put it."""
        return Path(self.deployment.code)

    @property
    def consumer_code(self) -> Path:
        """The example consumer's code."""
        return Path(self.deployment.consumer_code)

    @property
    def notify_code(self) -> Path:
        """The code of who tells people."""
        return Path(self.deployment.notify.code)

    @property
    def python(self) -> str:
        """The Python that the packaged code was made for, as `make package` noted it."""
        noted = self.code / ".python-version"
        return noted.read_text(encoding="utf-8").strip() if noted.exists() else "3.14"

    @property
    def tables(self) -> Mapping[str, Sequence[str]]:
        """The watches that each DynamoDB table feeds, by the table's real name."""
        found: dict[str, list[str]] = {}
        for watch, table in self.settings.dynamodb.tables.items():
            found.setdefault(table.table, []).append(watch)
        return found

    def parallelization(self, table: str) -> int:
        """How many batches of a shard Lambda may process at once. A history's order holds at one only."""
        if any(needs_factor_one(self.settings, watch) for watch in self.tables[table]):
            return 1
        return self.deployment.streams.parallelization

    def filters(self, table: str) -> Sequence[str]:
        """The patterns of which a record must fit one to invoke the handler; none where all do."""
        return filter_patterns(self.settings, table)


def table_of(arn: str) -> str:
    """The name of the table in its ARN, or in that of its stream."""
    return arn.split("/")[1]


def tables_of(settings: Settings) -> set[str]:
    """The names of all tables."""
    return {table.table for table in settings.dynamodb.tables.values()}


def queues_of(settings: Settings) -> set[str]:
    """The names of all queues."""
    found = [settings.sqs.queue, settings.sqs.dead_letter_queue, settings.dynamodb.dead_letter_queue]
    for route in settings.routes:
        found += [route.queue, route.dead_letter_queue]
    return {name for name in found if name}


def plan_from(context: Mapping[str, Any]) -> Plan:
    """The plan that the CDK's context asks for. Raises SettingsError, a line for each problem."""
    file = read_deployment(context)
    config = Path(file.deployment.config or default_path())
    plan = Plan(load_settings(config, environ={}, options={}), file.deployment)
    file.refuse(_disagreements(plan, config))
    return plan


def _disagreements(plan: Plan, config: Path) -> Iterator[tuple[Place, str]]:
    """What the deployment says and the settings, or AWS, do not bear out."""
    deployment = plan.deployment
    for section, known in (
        ("tables", tables_of(plan.written)),
        ("queues", {*queues_of(plan.written), ALERTS, FAILURES}),
    ):
        for name in getattr(deployment, section):
            if name not in known:
                yield (section, name), f"{config} names no such one. Known there: {', '.join(sorted(known))}"
        yield from _wrong_names(plan, section, sorted(known))
    network = deployment.network
    if network.vpc and not network.route_tables and not {"dynamodb", "s3"} <= set(network.reaches):
        yield ("network",), "DynamoDB and S3 get gateway endpoints. Name the subnets' route_tables, or both in reaches"
    for section, address in (("cache", deployment.cache.url), ("database", deployment.database.dsn)):
        if address and not network.vpc:
            yield (
                (section,),
                "is there already, and a network that is made leads nowhere. Name the one under network.vpc",
            )
    if len(json.dumps(plan.names)) > _MOST_NAMES:
        yield ("name",), f"gives {len(plan.names)} names, too many for a Lambda's environment. Put them into {config}"
    yield from _not_packaged(plan, config)
    if deployment.notify.enabled:
        yield from _nobody_told(plan, config)


def _not_packaged(plan: Plan, config: Path) -> Iterator[tuple[Place, str]]:
    """Code that is not there, or that was packaged with other settings."""
    needed: list[tuple[Place, Path]] = [(("code",), plan.code), (("consumer_code",), plan.consumer_code)]
    if plan.deployment.notify.enabled:
        needed.append((("notify", "code"), plan.notify_code))
    for place, path in needed:
        packaged = path / "rtp.yaml"
        if not path.is_dir():
            yield place, f"{path} is no directory. Run make package CONFIG={config}"
        elif packaged.exists() and packaged.read_bytes() != config.read_bytes():
            yield place, f"{packaged} is not {config}. Run make package CONFIG={config}"
        elif packaged.exists() and path == plan.notify_code:
            yield from ((place, text) for text in _templates_missing(plan, config))


def _templates_missing(plan: Plan, config: Path) -> Iterator[str]:
    """Templates beside the settings that are not beside the packaged ones."""
    folder = config.absolute().parent
    for template in plan.notify_templates:
        if not template.is_relative_to(folder) or ".." in template.parts:
            yield f"the template {template} is not below {folder}, from where templates are packaged. Move it there"
            continue
        name = template.relative_to(folder)
        packaged = plan.notify_code / name
        if not packaged.exists() or packaged.read_bytes() != template.read_bytes():
            yield f"the template {name} was not packaged as it is. Run make package CONFIG={config}"


def _nobody_told(plan: Plan, config: Path) -> Iterator[tuple[Place, str]]:
    """Why people could not be told of anything."""
    alerts = {plan.written_name(one.queue) for one in plan.alert_queues}
    named = plan.deployment.notify.queues
    for position, name in enumerate(named):
        if name not in alerts:
            known = ", ".join(sorted(alerts))
            yield ("notify", "queues", position), f"is no queue of alerts. Known there: {known}"
    if not named and all(plan.queue_there(one.queue) for one in plan.alert_queues):
        every = "every queue is there already, and has consumers of its own"
        yield ("notify",), f"{every}. Name those to read under notify.queues"
    if not plan.settings.notify:
        yield ("notify", "enabled"), f"{config} has no audience. Say under its notify who is to be told"


def _wrong_names(plan: Plan, section: str, names: Sequence[str]) -> Iterator[tuple[Place, str]]:
    """Real names that AWS, or rtp, cannot take."""
    there: Mapping[str, str] = getattr(plan.deployment, section)
    owners: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name in there):
        real = plan.names.get(name, name)
        place = (section, name) if name in there else ("name",)
        if len(real) > _LONGEST[section]:
            yield place, f"makes {real} of {name}. AWS takes {_LONGEST[section]} characters"
        elif name.endswith(".fifo") != real.endswith(".fifo"):
            yield (
                place,
                "must be a FIFO queue" if name.endswith(".fifo") else "must be a standard queue, not a FIFO one",
            )
        elif real in owners:
            yield place, f"{real} is {owners[real]} already. Name another"
        owners[real] = name
