"""What SQS's clients ask goes straight to ministack's SQS; all else takes ministack's own way.

That way is the same for a hundred services: it asks of each request whether it is for S3, for a load balancer, from a
browser. For SQS it ends in one handler, at half of what a request costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ministack.app import AUTH, app
from ministack.core.responses import set_request_account_id, set_request_region
from ministack.core.router import extract_access_key_id, extract_region
from ministack.services import sqs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

Message = dict[str, Any]


async def sqs_app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The application that the web server serves."""
    if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == "/" and not AUTH:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if headers.get("x-amz-target", "").startswith("AmazonSQS.") and "content-encoding" not in headers:
            if (body := await _body(receive)) is not None:
                await _answer(headers, body, send)
            return
    await app(scope, receive, send)


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes | None:
    """All of a request's body; None where its client has gone."""
    parts = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message["body"])
        if not message.get("more_body"):
            return b"".join(parts)
    return None


async def _answer(headers: Mapping[str, str], body: bytes, send: Callable[[Message], Awaitable[None]]) -> None:
    set_request_account_id(extract_access_key_id(headers))
    set_request_region(extract_region(headers))
    status, named, said = await sqs.handle_request("POST", "/", headers, body, {})
    named = {**named, "Content-Length": str(len(said)), "x-amzn-requestid": sqs.new_uuid()}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": said})
