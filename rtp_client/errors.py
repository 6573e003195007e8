"""The errors that a reader of rtp's data may meet, and how the text of an error becomes a single line."""

from __future__ import annotations

import re

from rtp_client.secrets import without_secrets

# PostgreSQL shows which statement it found a fault in, and the place: `LINE 1: ...`, a caret, `QUERY:  ...`.
_STATEMENT = re.compile(r"\n[^\n:]+ \d+ ?: [^\n]*\n *\^(\nQUERY: .*?(?=\nCONTEXT: |\Z))?", re.DOTALL)


class RtpError(Exception):
    """Base of every error that rtp raises on purpose; `message` and `remedy` are one sentence each."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message.rstrip('.')}. {self.remedy}" if self.remedy else self.message


class SettingsError(RtpError):
    """The YAML file, the environment, an option or an argument holds something that rtp cannot use."""


class ServiceUnavailable(RtpError):
    """A server rtp depends on does not answer now; trying again later may help."""

    def __init__(self, service: str, address: str, cause: str, *, what: str = "is not reachable") -> None:
        super().__init__(f"{service} at {address} {what}: {cause.rstrip('.?')}")
        self.service = service
        self.address = address
        self.cause = cause


class TableRefused(ServiceUnavailable):
    """PostgreSQL is there, and this one table cannot be read as it should be."""


class GatewayRefused(RtpError):
    """The gateway does not take a token or a subscription; asking again would not help. `code` says which rule."""

    def __init__(self, address: str, code: str, cause: str) -> None:
        super().__init__(f"the gateway at {address} refuses: {cause.rstrip('.')}")
        self.code = code


def one_line(error: BaseException) -> str:
    """An error's text on a single line, without secrets, and without the statement that PostgreSQL quotes.

    Where there is no text it is the name of its class.
    """
    return " ".join(without_secrets(_STATEMENT.sub("", str(error))).split()) or type(error).__name__
