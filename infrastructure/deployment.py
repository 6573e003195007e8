"""What to deploy: the deployment file's models. What a section names is there already; what it leaves out is made.

`infrastructure.deployment_file` reads the file. What rtp itself does stands in rtp's own settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self, get_args
from urllib.parse import parse_qs, urlsplit

from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from core.services.sessions import is_rds_proxy
from core.settings.fields import Duration, PostgresDsn, RedisUrl, SettingsModel, Text, Whole, matching

# The services of AWS that rtp calls; the first two have gateway endpoints, the others interfaces.
Service = Literal["dynamodb", "s3", "dynamodb-streams", "ecr.api", "ecr.dkr", "logs", "secretsmanager", "sqs", "xray"]


_LEAVE_OUT = "holds a password. Leave it out, and name the secret that holds it"


def _host_without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password or "password" in parse_qs(parts.query):
        raise ValueError(_LEAVE_OUT)
    if not parts.hostname:
        raise ValueError("names no host")
    return url


def _own_sessions_without_password(dsn: str) -> str:
    parts = conninfo_to_dict(dsn)
    if parts.get("password") or parts.get("sslpassword"):
        raise ValueError(_LEAVE_OUT)
    host = str(parts.get("host") or "")
    if not host or host.startswith("/"):
        raise ValueError("names no host")
    if "," in host:
        raise ValueError("names several hosts. Name the instance, or the cluster's endpoint for writing")
    if is_rds_proxy(host):
        raise ValueError("leads to RDS Proxy, a pooler. Name the instance, or the cluster's endpoint for writing")
    return dsn


def _services(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    if value == "all":
        return get_args(Service)
    if isinstance(value, list):
        return validate(value)
    raise ValueError(f"must be all, or a list of {', '.join(get_args(Service))}")


def _true_or_false(value: object) -> object:
    if value is not True and value is not False:
        advice = ". Write it without quotes" if isinstance(value, str) else ""
        raise ValueError(f"must be true or false{advice}")
    return value


def _whole_seconds(value: timedelta) -> timedelta:
    if value % timedelta(seconds=1):
        raise ValueError("must be whole seconds")
    return value


def _an_id(prefix: str, of_what: str) -> AfterValidator:
    return matching(rf"{prefix}-[0-9a-f]{{8,17}}", f"the id of {of_what}, like {prefix}-0123456789abcdef0")


def _an_arn(service: str, resource: str, example: str) -> AfterValidator:
    pattern = rf"arn:aws[a-z-]*:{service}:[a-z0-9-]+:\d{{12}}:{resource}"
    return matching(pattern, f"an ARN, like arn:aws:{service}:eu-west-1:123456789012:{example}")


Name = Annotated[
    str, matching(r"(?=.{1,20}$)[a-z](-?[a-z0-9])*", "up to 20 small letters, digits and single -, a letter first")
]
SecurityGroup = Annotated[str, _an_id("sg", "a security group")]
SecretArn = Annotated[str, _an_arn("secretsmanager", "secret:.+-[A-Za-z0-9]{6}", "secret:rtp-AbCdEf")]
KeyArn = Annotated[str, _an_arn("kms", "key/.+", "key/01234567-89ab-cdef-0123-456789abcdef")]
QueueArn = Annotated[str, _an_arn("sqs", "[A-Za-z0-9_.-]+", "alerts.fifo")]
TableArn = Annotated[
    str,
    _an_arn("dynamodb", r"table/[A-Za-z0-9_.-]+(/stream/.+)?", "table/tvl, or that of its stream"),
]
NodeType = Annotated[str, matching(r"cache\.[a-z0-9-]+\.[a-z0-9]+", "a type of ElastiCache, like cache.t4g.medium")]
InstanceClass = Annotated[str, matching(r"(db\.)?[a-z0-9-]+\.[a-z0-9]+", "a class of RDS, like db.t4g.medium")]
Switch = Annotated[bool, BeforeValidator(_true_or_false)]
Seconds = Annotated[Duration, AfterValidator(_whole_seconds)]
_Url = Annotated[RedisUrl, AfterValidator(_host_without_password)]
_Dsn = Annotated[PostgresDsn, AfterValidator(_own_sessions_without_password)]


class NetworkSection(SettingsModel):
    """The VPC and its subnets, and which services of AWS they reach already. The other ones get endpoints."""

    vpc: Annotated[str, _an_id("vpc", "a VPC")] | None = None
    subnets: tuple[Annotated[str, _an_id("subnet", "a subnet")], ...] = ()
    route_tables: tuple[Annotated[str, _an_id("rtb", "a route table")], ...] = ()
    reaches: Annotated[tuple[Service, ...], WrapValidator(_services)] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.vpc and len(self.subnets) < 2:
            raise ValueError("names a VPC and fewer than two subnets. Name two, in two zones")
        if len(set(self.subnets)) < len(self.subnets):
            raise ValueError("names a subnet twice. Name one in each of two zones or more")
        if len(set(self.route_tables)) < len(self.route_tables):
            raise ValueError("names a route table twice. Name each once")
        if not self.vpc and (self.subnets or self.route_tables or self.reaches):
            raise ValueError("says something of a VPC and names none. Add vpc")
        return self


class CacheSection(SettingsModel):
    """A Valkey or Redis that is there: its address, and the secret with the password. Else one of this type is made."""

    url: _Url | None = Field(default=None, repr=False)
    secret: SecretArn | None = None
    security_group: SecurityGroup | None = None
    node: Text | None = Field(default=None, description="For the alarms: CloudWatch's CacheClusterId.")
    node_type: NodeType = "cache.t4g.medium"

    @model_validator(mode="after")
    def _is_there_or_made(self) -> Self:
        if not self.url and (self.secret or self.security_group or self.node):
            raise ValueError("says something of a cache that is there and names no address. Add url")
        return self


class DatabaseSection(SettingsModel):
    """A PostgreSQL that is there, RDS or Aurora, and the secret with the password. Else one of this class is made."""

    dsn: _Dsn | None = Field(default=None, repr=False)
    secret: SecretArn | None = None
    security_group: SecurityGroup | None = None
    instance: Text | None = Field(default=None, description="For the alarms: CloudWatch's DBInstanceIdentifier.")
    instance_class: InstanceClass = "db.t4g.medium"
    deletion_protection: Switch = Field(default=False, description="Of one that is made, once its deployment is done.")

    @model_validator(mode="after")
    def _is_there_or_made(self) -> Self:
        if not self.dsn and (self.secret or self.security_group or self.instance):
            raise ValueError("says something of a database that is there and names no address. Add dsn")
        return self


class StreamsSection(SettingsModel):
    """How Lambda reads the streams. Retries have no limit but the age."""

    parallelization: Whole = Field(default=2, ge=1, le=10)
    batch_records: Whole = Field(default=100, ge=1, le=10_000)
    batch_window: Annotated[Seconds, Field(le=timedelta(minutes=5))] = timedelta(0)
    max_record_age: Annotated[Seconds, Field(ge=timedelta(minutes=1), le=timedelta(hours=24))] = timedelta(hours=23)
    commands: Switch = Field(default=False, description="A task for one-off commands; needs Docker.")
    snap_start: Switch = Field(default=False, description="Cold starts from a snapshot; it is charged by the hour.")


class ServiceSection(SettingsModel):
    """How `rtp run` is run in Fargate. With `install_triggers`, each task first brings the triggers up to date."""

    tasks: Whole = Field(default=2, ge=0, le=10)
    install_triggers: Switch = True


class NotifySection(SettingsModel):
    """Telling people by `notify` of rtp.yaml, in place of the example consumer; the secret has their addresses."""

    enabled: Switch = False
    secret: SecretArn | None = None
    queues: tuple[Text, ...] = Field(default=(), description="Read these; left out: each queue that is made.")
    code: Text = "build/notify"

    @model_validator(mode="after")
    def _is_enabled_where_something_is_said(self) -> Self:
        if not self.enabled and (self.secret or self.queues):
            raise ValueError("says something of telling people and does not do it. Add enabled: true")
        if len(set(self.queues)) < len(self.queues):
            raise ValueError("names a queue twice. Name each once")
        return self


class WatchingSection(SettingsModel):
    """What CloudWatch is told by rtp itself, as metrics; and whether X-Ray traces the functions."""

    metrics: Switch = True
    tracing: Switch = False


class Deployment(SettingsModel):
    """The whole file. `name` is in front of all names but the default's own."""

    name: Name = "rtp"
    config: Text | None = None
    code: Text = "build/lambda"
    consumer_code: Text = "build/consumer"
    keys: tuple[KeyArn, ...] = Field(default=(), description="They encrypt what is there already.")
    network: NetworkSection = NetworkSection()
    cache: CacheSection = CacheSection()
    database: DatabaseSection = DatabaseSection()
    tables: Mapping[Text, TableArn] = Field(default_factory=dict)
    queues: Mapping[Text, QueueArn] = Field(default_factory=dict)
    streams: StreamsSection = StreamsSection()
    service: ServiceSection = ServiceSection()
    notify: NotifySection = NotifySection()
    watching: WatchingSection = WatchingSection()

    @model_validator(mode="after")
    def _is_in_one_place(self) -> Self:
        if len(self.places) > 1:
            raise ValueError("tables and queues are in several accounts or regions. A deployment is in one")
        secrets = (secret for secret in (self.cache.secret, self.database.secret, self.notify.secret) if secret)
        regions = {region for _, region in self.places} | {arn.split(":")[3] for arn in (*self.keys, *secrets)}
        if len(regions) > 1:
            raise ValueError(f"names ARNs in several regions: {', '.join(sorted(regions))}. A deployment is in one")
        return self

    @property
    def places(self) -> frozenset[tuple[str, str]]:
        """The accounts and regions of the tables and queues that are there."""
        arns = (arn.split(":") for arn in (*self.tables.values(), *self.queues.values()))
        return frozenset((account, region) for _, _, _, region, account, *_ in arns)
