"""REST from the settings: which source it asks, and through which reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.cache.readers import async_cache_reader, async_redis_reader
from core.gateway.newest_values import NewestValues
from core.gateway.rest.answers import RestAnswers
from core.gateway.rest.postgres_insight import PostgresInsight
from core.gateway.rest.routes import rest_routes
from core.gateway.rest.stream_insight import StreamInsight
from core.handler.items import dynamodb_of
from core.own_version import own_version

if TYPE_CHECKING:
    from starlette.routing import Route

    from core.gateway.hub import Hub
    from core.gateway.rest.insight import Insight
    from core.settings.models import Settings


def build_answers(hub: Hub, settings: Settings) -> RestAnswers:
    """Who answers. Nothing is asked before a request comes."""
    return RestAnswers(hub, settings, newest_values_of(settings), _insight(settings))


def routes_of(answers: RestAnswers, settings: Settings) -> list[Route]:
    """The paths at which it answers."""
    return rest_routes(answers, settings.serve, version=own_version())


def newest_values_of(settings: Settings, *, is_counted: bool = True) -> NewestValues:
    """What reads the newest values."""
    tables = dynamodb_of(settings) if _is_fed_by_streams(settings) else None
    through = async_cache_reader(settings, dynamodb=tables, is_counted=is_counted)
    return NewestValues(through, async_redis_reader(settings))


def _insight(settings: Settings) -> Insight | None:
    if settings.postgres.dsn:
        return PostgresInsight(settings)
    return StreamInsight(settings) if _is_fed_by_streams(settings) else None


def _is_fed_by_streams(settings: Settings) -> bool:
    return bool(settings.dynamodb.tables) and not settings.postgres.dsn
