"""The paths of REST: requests become questions, answers and errors become JSON."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from core.errors import RtpError, ServiceUnavailable, SettingsError, UnknownEntity
from core.gateway.reach import EVERYTHING
from core.gateway.refusal import refusal
from core.gateway.rest import parameters
from core.gateway.rest.asyncapi import asyncapi_document
from core.gateway.rest.narrowing import OutOfReach
from core.gateway.rest.openapi import openapi_document
from core.gateway.rest.operations import OPERATIONS
from core.gateway.rest.shared_answers import TooManyQuestions
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from core.gateway.reach import Reach
    from core.gateway.rest.answers import RestAnswers
    from core.gateway.rest.operations import Operation
    from core.settings.serve import ServeSettings

_STATUS_OF = (
    (OutOfReach, HTTPStatus.FORBIDDEN, "forbidden"),
    (UnknownEntity, HTTPStatus.NOT_FOUND, "not_found"),
    (SettingsError, HTTPStatus.BAD_REQUEST, "bad_request"),
    (TooManyQuestions, HTTPStatus.SERVICE_UNAVAILABLE, "busy"),
    (ServiceUnavailable, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    (RtpError, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
)
_ENCODER = msgspec.json.Encoder()


def rest_routes(answers: RestAnswers, serve: ServeSettings, *, version: str) -> list[Route]:
    """All of them; what a request's token reaches is its `state.reach`."""
    api = _Api(answers)
    openapi = _ENCODER.encode(openapi_document(OPERATIONS, version=version, asks_for_token=serve.asks_for_token))

    async def describe_rest(_: Request) -> Response:
        return Response(openapi, media_type="application/json")

    async def describe_channels(request: Request) -> Response:
        here = urlsplit(serve.public_url or str(request.url))
        document = asyncapi_document(
            version=version,
            host=here.netloc,
            is_secure=here.scheme == "https",
            asks_for_token=serve.asks_for_token,
        )
        return _json(document)

    return [
        *(Route(_route(operation), _answering(getattr(api, operation.name))) for operation in OPERATIONS),
        Route("/openapi.json", describe_rest),
        Route("/asyncapi.json", describe_channels),
    ]


class _Api:
    """A method for each operation, of its name."""

    def __init__(self, answers: RestAnswers) -> None:
        self._answers = answers

    async def entities(self, request: Request) -> Any:
        query = _query(request, "entities")
        wanted = parameters.filter_of(query, parameters.ENTITIES)
        after = query.get(parameters.AFTER.name)
        return await self._answers.entities(wanted, _reach(request), after, parameters.limit_of(query))

    async def entity(self, request: Request) -> Any:
        query = _query(request, "entity")
        kind, chain, entity = _owner(request)
        reach = _reach(request)
        if not reach.covers(kind, chain, entity):
            raise OutOfReach(f"the token does not reach {kind} {entity} on {chain}")
        try:
            return await self._answers.entity(kind, chain, entity, query.get(parameters.WATCH.name))
        except UnknownEntity as error:
            if reach == EVERYTHING:
                raise
            raise UnknownEntity(error.message) from None  # what is near may be out of reach

    async def pegs(self, request: Request) -> Any:
        _query(request, "pegs")
        return await self._answers.pegs(_reach(request))

    async def events(self, request: Request) -> Any:
        query = _query(request, "events")
        wanted = parameters.filter_of(query, parameters.EVENTS)
        since = parameters.position_of(query)
        return await self._answers.events(wanted, _reach(request), since, parameters.limit_of(query))

    async def status(self, request: Request) -> Any:
        _query(request, "status")
        return await self._answers.status(_reach(request))


def _answering(answer: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        try:
            return _json(await answer(request))
        except RtpError as error:
            status, code = next((status, code) for kind, status, code in _STATUS_OF if isinstance(error, kind))
            headers = {"Retry-After": "1"} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
            return refusal(status, code, one_line(error), headers)

    return respond


def _json(document: Any) -> Response:
    return Response(_ENCODER.encode(document), headers={"Cache-Control": "no-store"}, media_type="application/json")


def _query(request: Request, name: str) -> Any:
    operation = next(one for one in OPERATIONS if one.name == name)
    parameters.check_names(request.query_params, operation.query)
    return request.query_params


def _reach(request: Request) -> Reach:
    found: Reach = request.state.reach
    return found


def _route(operation: Operation) -> str:
    """The path as Starlette matches it; what is in it is taken apart by `_owner`."""
    return operation.path.replace("{kind}/{chain}/{entity}", "{owner:path}")


def _owner(request: Request) -> tuple[str, str, str]:
    """Kind, chain and entity of a path: a name may have a `/` of its own, encoded, which the decoded path hides."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    try:
        parts = [unquote_to_bytes(part).decode() for part in raw.partition(b"?")[0].split(b"/")[3:]]
    except UnicodeDecodeError:
        parts = []
    if len(parts) != 3 or not all(parts):
        raise SettingsError("a path is /v1/entities/KIND/CHAIN/ENTITY, each part percent-encoded")
    kind, chain, entity = parts
    return kind, chain, entity
