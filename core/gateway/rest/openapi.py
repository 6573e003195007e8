"""The OpenAPI 3.1 document, made from the operations and the types of their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.gateway.rest.documents import ErrorDocument
from rtp_client.event import schemas_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.gateway.rest.operations import Operation
    from core.gateway.rest.parameters import Parameter

_FAILURES = {
    400: "A parameter is not what it must be.",
    401: "No token, or one that is not valid or over.",
    403: "The token does not reach so far.",
    404: "Nobody knows the entity.",
    503: "A server that was asked does not answer, or too many ask; again in a second may help.",
}
_OF_EVERY_PATH = (400, 401, 503)
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The static token, or a JWT."},
    "query": {"type": "apiKey", "in": "query", "name": "access_token", "description": "Where no header can be set."},
}


def openapi_document(operations: Sequence[Operation], *, version: str, asks_for_token: bool) -> dict[str, Any]:
    """The whole of it."""
    schemas = schemas_of([*(one.answer for one in operations), ErrorDocument], "#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rtp",
            "version": version,
            "description": "Significant changes in DeFi data: what needs no stream. /asyncapi.json has the channels.",
        },
        "paths": {operation.path: {"get": _get(operation)} for operation in operations},
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
        "security": [{name: []} for name in _SECURITY] if asks_for_token else [],
    }


def _get(operation: Operation) -> dict[str, Any]:
    failures = sorted({*_OF_EVERY_PATH, *operation.failures})
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [
            *(_parameter(one, place="path") for one in operation.in_path),
            *(_parameter(one, place="query") for one in operation.query),
        ],
        "responses": {
            "200": _response(operation.summary, operation.answer.__name__),
            **{str(status): _response(_FAILURES[status], ErrorDocument.__name__) for status in failures},
        },
    }


def _parameter(parameter: Parameter, *, place: str) -> dict[str, Any]:
    schema = {"type": "array", "items": parameter.schema} if parameter.is_many else dict(parameter.schema)
    return {
        "name": parameter.name,
        "in": place,
        "description": parameter.description,
        "required": place == "path",
        "schema": schema,
    }


def _response(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}
