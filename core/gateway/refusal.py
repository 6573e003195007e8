"""Answers that say what is wrong, in the one form that all of the gateway's have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping


def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """`code` is for programs, the message for people: what is wrong, and how to mend it."""
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)
