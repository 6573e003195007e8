"""The settings: frozen models of what the YAML file, the environment and the options may say.

Every bound lives here, and every name carries its unit. Reading files is `core.settings.file`'s work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, cached_property
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)

from core.errors import SettingsError
from core.kinds import SHIPPED, Kind, Kinds
from core.settings.audiences import agreed
from core.settings.cache import CacheSettings, cache_model
from core.settings.dynamodb import DynamoDbSettings, dynamodb_model
from core.settings.fields import (
    HttpUrl,
    Listening,
    MetricNamespace,
    PostgresDsn,
    QueueName,
    Real,
    RedisUrl,
    Region,
    SecretName,
    SettingsModel,
    SourceName,
    WatchName,
    Whole,
    derived,
    off_is_a_word,
    secret_name,
)
from core.settings.notify import MOST_AUDIENCES, Audience, audience_model
from core.settings.own_kinds import OwnKinds, all_kinds, kinds_in
from core.settings.routes import Route, route_model
from core.settings.serve import ServeSettings
from core.settings.watches import Watch, watch_of
from rtp_client.stored_password import with_secret


def _addressed(written: Any, address: str) -> Any:
    """A section whose address says which secret holds the password, where the section has a key for that."""
    secret, place = (written.get("secret"), written.get(address)) if isinstance(written, dict) else (None, None)
    if not (isinstance(secret, str) and isinstance(place, str)):
        return written
    others = {key: value for key, value in written.items() if key != "secret"}
    return others | {address: with_secret(place, secret_name(secret))}


class PostgresSettings(SettingsModel):
    """Where the watched tables are. `secret` names that of AWS Secrets Manager which holds the password."""

    dsn: PostgresDsn | None = Field(default=None, repr=False)
    secret: SecretName | None = None
    connect_timeout_seconds: Real = Field(default=5, gt=0, le=60)
    answer_timeout_seconds: Real = Field(default=5, gt=0, le=600)

    @model_validator(mode="before")
    @classmethod
    def _secret_into_address(cls, written: Any) -> Any:
        return _addressed(written, "dsn")


class RedisSettings(SettingsModel):
    """Where the cache, the channels and the stream are. `secret` is as PostgreSQL's."""

    url: RedisUrl | None = Field(default=None, repr=False)
    secret: SecretName | None = None
    cache_ttl_seconds: Whole = Field(default=3600, ge=1, le=31_536_000)
    cache: CacheSettings = cache_model(SHIPPED)()
    stream_max_length: Whole = Field(default=100_000, ge=1, le=100_000_000)
    timeout_seconds: Real = Field(default=1.5, gt=0, le=60)
    batch_size: Whole = Field(default=500, ge=1, le=10_000)

    @model_validator(mode="before")
    @classmethod
    def _secret_into_address(cls, written: Any) -> Any:
        return _addressed(written, "url")

    def cache_ttl_ms(self, kind: str) -> int:
        """How long a cache entry of this kind lives after it was written, in milliseconds."""
        return self.cache.ttl_ms(kind, self.cache_ttl_seconds)

    @property
    def cache_ttls(self) -> str:
        """The same for every kind, and `*` for one that the settings no longer have, as the scripts take it: JSON."""
        ttls = {kind: self.cache_ttl_ms(kind) for kind in self.cache.kinds}
        return json.dumps(ttls | {"*": self.cache_ttl_seconds * 1000})


class SqsSettings(SettingsModel):
    """Where alerts go; without a queue rtp sends none. Credentials and region are AWS's own variables."""

    queue: QueueName | None = None
    dead_letter_queue: QueueName | None = None
    endpoint_url: HttpUrl | None = None
    region: Region | None = None
    timeout_seconds: Real = Field(default=5, gt=0, le=60)
    batch_size: Whole = Field(default=200, ge=1, le=10_000)


class CircuitBreakerSettings(SettingsModel):
    """When rtp leaves a service alone that does not answer, and for how long."""

    failures: Whole = Field(default=5, ge=1, le=1000)
    open_seconds: Real = Field(default=0.5, gt=0, le=600)


class RunSettings(SettingsModel):
    """How `rtp run` itself behaves."""

    poll_interval_ms: Real = Field(default=2, gt=0, le=1000)
    idle_before_sleep_ms: Real = Field(default=250, ge=0, le=60_000)
    fallback_poll_seconds: Real = Field(default=5, gt=0, le=300)
    status_interval_seconds: Real = Field(default=5, gt=0, le=3600)
    retry_initial_seconds: Real = Field(default=0.1, gt=0, le=60)
    retry_max_seconds: Real = Field(default=2, gt=0, le=600)
    max_attempts: Whole = Field(default=10, ge=1, le=1000)
    leader_lease_seconds: Real = Field(default=5, ge=0.5, le=60)
    circuit_breaker: CircuitBreakerSettings = CircuitBreakerSettings()

    @model_validator(mode="after")
    def _retries_grow(self) -> Self:
        if self.retry_initial_seconds > self.retry_max_seconds:
            raise ValueError("retry_initial_seconds must not be more than retry_max_seconds")
        return self


class LogSettings(SettingsModel):
    """How far a sink may fall behind in the log before rtp says so. The log itself is kept, however long."""

    alarm_after_seconds: Real = Field(default=300, gt=0, le=31_536_000)
    alarm_after_bytes: Whole = Field(default=1_000_000_000, ge=1, le=10**15)


class HttpSettings(SettingsModel):
    """The server for metrics and probes; without `listen` there is none."""

    listen: Listening | None = None
    stalled_after_seconds: Real = Field(default=10, gt=0, le=86_400)


class EmfSettings(SettingsModel):
    """Metrics for CloudWatch, as lines of the log; without `namespace` there are none."""

    namespace: MetricNamespace | None = None
    interval_seconds: Real = Field(default=60, gt=0, le=3600)


Statistics = Literal["off", "sampled", "all"]


class TriggerSettings(SettingsModel):
    """How the triggers behave, besides the watches' own rules, and what becomes of a watch that is not armed."""

    statistics: Annotated[Statistics, BeforeValidator(off_is_a_word)] = "sampled"
    unarmed: Literal["not_ready", "warn"] = "not_ready"
    rearm: StrictBool = False
    on_replace: Literal["judge", "baseline"] = "judge"


_Section = TypeVar("_Section", bound=BaseModel)


class Settings(SettingsModel):
    """Everything rtp can be told, but for the sections that `core.sinks.settings` adds: those of a sink alone.

    What is validated is of the model that is made for its kinds.
    """

    known: ClassVar[Kinds | None] = None

    source: SourceName = "/rtp"
    kinds: Annotated[OwnKinds, Field(default_factory=dict)]
    postgres: PostgresSettings = PostgresSettings()
    redis: RedisSettings
    sqs: SqsSettings = SqsSettings()
    run: RunSettings = RunSettings()
    log: LogSettings = LogSettings()
    http: HttpSettings = HttpSettings()
    emf: EmfSettings = EmfSettings()
    serve: ServeSettings = ServeSettings()
    triggers: TriggerSettings = TriggerSettings()
    watches: dict[WatchName, Watch]
    dynamodb: DynamoDbSettings  # behind the watches, which it names
    routes: Annotated[tuple[Route, ...], Field(max_length=1000)] = ()
    notify: Annotated[tuple[Audience, ...], Field(max_length=MOST_AUDIENCES)] = ()

    def own_document(self) -> dict[str, Any]:
        """The settings as JSON-ready data, without the sections that a sink has added."""
        return self.model_dump(mode="json", exclude_none=True, include=set(Settings.model_fields))

    def section(self, name: str, model: type[_Section]) -> _Section:
        """A sink's own section; where these settings were made without it, its defaults."""
        found = getattr(self, name, None)
        return found if isinstance(found, model) else model()

    @cached_property
    def all_kinds(self) -> Kinds:
        """The table of kinds: rtp's rows, then the settings' own."""
        return all_kinds(self.kinds)

    @model_validator(mode="wrap")
    @classmethod
    def _by_its_kinds(cls, written: Any, validate: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Settings:
        if cls.known is not None or isinstance(written, Settings):
            return validate(written)
        kinds = kinds_in(written)
        return settings_model(kinds, cls).model_validate(written, context={**(info.context or {}), "kinds": kinds})

    @field_validator("routes")
    @classmethod
    def _routes_agree(cls, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        names = [route.name for route in routes if route.name]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two routes are called {twice}. Give them different names")
        dead: dict[str | None, str] = {}
        for route in routes:
            if (
                route.dead_letter_queue
                and dead.setdefault(route.queue, route.dead_letter_queue) != route.dead_letter_queue
            ):
                raise ValueError(f"queue {route.queue} has two dead letter queues. Keep one of them")
        return routes

    @field_validator("notify")
    @classmethod
    def _audiences_agree(cls, audiences: tuple[Audience, ...]) -> tuple[Audience, ...]:
        return agreed(audiences)

    @field_validator("watches")
    @classmethod
    def _one_watch_per_table_and_kind(cls, watches: Mapping[str, Watch]) -> Mapping[str, Watch]:
        seen: dict[tuple[tuple[str, ...], str], str] = {}
        for name, watch in watches.items():
            first = seen.setdefault((watch.table_parts, watch.kind), name)
            if first != name:
                raise ValueError(f"{first} and {name} both watch the same table for {watch.kind}. Keep one of them")
        return watches

    @field_validator("dynamodb")
    @classmethod
    def _tables_feed_watches(cls, dynamodb: DynamoDbSettings, info: ValidationInfo) -> DynamoDbSettings:
        watches = info.data.get("watches")
        unknown = [name for name in dynamodb.tables if watches is not None and name not in watches]
        if unknown:
            raise ValueError(f"names a table for {unknown[0]}, which is no watch. Name it under watches, too")
        for name, table in dynamodb.tables.items():
            watch = (watches or {}).get(name)
            if watch and (other := [word for word in table.attributes.words if word != watch.about.entity]):
                raise ValueError(f"{name} is about a {watch.about.entity}. Remove {other[0]} from its attributes")
            if watch and (keys := [*watch.alias_tables]):
                raise ValueError(f"{name} has {keys[0]} in a table, which a stream source cannot read. Write them out")
            if watch and table.reorder and not watch.is_history:
                raise ValueError(f"{name} is no history, so its items need no reorder. Remove it")
            if watch and (more := [column for column in table.attributes.watched if column not in watch.watched]):
                raise ValueError(f"{name} does not watch {more[0]}. Remove it from its attributes' watched")
        return dynamodb


def settings_model(kinds: Kinds, base: type[Settings] = Settings) -> type[Settings]:
    """The model of settings with these kinds."""
    return _settings_model(tuple(kinds.values()), base)


@cache
def _settings_model(rows: tuple[Kind, ...], base: type[Settings]) -> type[Settings]:
    kinds = {kind.name: kind for kind in rows}
    caching, route, dynamodb = cache_model(kinds), route_model(kinds), dynamodb_model(kinds)
    audience = audience_model(kinds)
    redis = derived(RedisSettings, cache=(caching, caching()))
    return derived(
        base,
        known=(ClassVar[Kinds], kinds),
        redis=(redis, redis()),
        watches=(GenericAlias(dict, (WatchName, watch_of(kinds))), Field(min_length=1, max_length=200)),
        dynamodb=(dynamodb, dynamodb()),
        routes=(GenericAlias(tuple, (route, ...)), Field(default=(), max_length=1000)),
        notify=(GenericAlias(tuple, (audience, ...)), Field(default=(), max_length=MOST_AUDIENCES)),
    )


def postgres_dsn(settings: Settings) -> str:
    """The DSN. Raises SettingsError where none is set."""
    if not settings.postgres.dsn:
        raise SettingsError("there is no PostgreSQL address", "Set RTP_POSTGRES_DSN, postgres.dsn or --postgres-dsn")
    return settings.postgres.dsn
