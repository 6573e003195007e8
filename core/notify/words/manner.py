"""How a service wants its messages: in which markup, how long, with a title or without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from core.notify.words.dialects import HTML, MARKDOWN, SLACK, TEXT, Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apprise.plugins import NotifyBase

Format = Literal["text", "markdown", "html"]

_DIALECTS: Mapping[str, Dialect] = {"text": TEXT, "markdown": MARKDOWN, "html": HTML}
# They read Markdown in what Apprise sends them as text.
_READ_MARKDOWN = frozenset({"discord", "mmost", "mmosts", "rocket", "rockets", "zulip"})
_SLACK_TITLE, _SLACK_BODY = 150, 3000


@dataclass(frozen=True)
class Manner:
    """Where there is no place for a title of its own, `title_length` is 0."""

    format: Format
    dialect: Dialect
    body_length: int
    title_length: int
    is_final: bool = False


PLAIN = Manner("text", TEXT, body_length=4000, title_length=250)


def manner_of(plugin: NotifyBase, written_in: str | None) -> Manner:
    """The manner of the service that a plugin talks to, for a template in this format; None: in the service's own."""
    scheme = plugin.schema
    own = "markdown" if scheme in _READ_MARKDOWN else plugin.resolve_format(None).value
    chosen = cast("Format", written_in or own)
    if scheme == "slack" and chosen == "markdown":
        # As it comes: what Apprise makes of Markdown shows the backslashes of its escapes in Slack.
        return Manner("markdown", SLACK, _SLACK_BODY, _SLACK_TITLE, is_final=True)
    # Others show a title in their markup, if at all: there the body's first line says it, in bold.
    has_title = chosen == "text" or scheme in _MAIL
    return Manner(chosen, _DIALECTS[chosen], plugin.body_maxlen, plugin.title_maxlen if has_title else 0)


_MAIL = frozenset({"mailto", "mailtos", "sendgrid", "ses", "mailgun", "postmark", "brevo", "resend", "sparkpost"})
