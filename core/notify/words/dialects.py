"""The markups that services read. Whatever comes from data is escaped for the one it goes to.

A token may be called `@everyone`, `<!channel>` or `claim-here.com`: besides the markup's own characters, what chat
services would take for a mention, a picture or a link is parted by a character of no width.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

_PARTED = "\u200b"
_MENTION = re.compile(r"@(?=\w)")
_PICTURE = re.compile(r":(?=[a-z_+-][\w+-]*:)", re.IGNORECASE)
_DOMAIN = re.compile(r"(?<=\w)\.(?=[^\W\d_]{2})|(?<=\w):(?=//)")
_MARKDOWN = re.compile(r"[\\`*_\[\]<>~|]|&(?=#?\w+;)|^[#+=-]|(?:(?<=^\d)|(?<=^\d\d)|(?<=^\d\d\d))[.)]")
# Slack has no escapes. Between letters these characters mean nothing to it.
_SLACK_MARKS = re.compile(r"(?<![^\W_])[*_~`]|[*_~`](?![^\W_])")


class Marked(str):
    """Text in a service's markup, which is not escaped again."""

    __slots__ = ()


@dataclass(frozen=True)
class Dialect:
    """How a service's markup spells things."""

    name: str
    escape: Callable[[str], str]
    embolden: Callable[[str], str]
    refer: Callable[[str, str], str]
    """A link, from its address and the escaped words for it."""

    def marked(self, value: object) -> Marked:
        """The value as text of this markup."""
        return value if isinstance(value, Marked) else Marked(self.escape(visible(str(value))))

    def bold(self, value: object) -> Marked:
        """The same, in bold."""
        text = self.marked(value)
        return Marked(self.embolden(text)) if text else text

    def link(self, address: str, words: object) -> Marked:
        """A link with these words; without an address the words alone."""
        return Marked(self.refer(address, self.marked(words))) if address else self.marked(words)


def visible(text: str) -> str:
    """The text on one line, without anything that hides or turns round its neighbours."""
    return "".join(character if character.isprintable() else "�" for character in " ".join(text.split()))


def _parted(text: str) -> str:
    text = _MENTION.sub(f"@{_PARTED}", text)
    text = _PICTURE.sub(f":{_PARTED}", text)
    return _DOMAIN.sub(lambda found: f"{found[0]}{_PARTED}", text)


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", _parted(text))


def _slack(text: str) -> str:
    text = _SLACK_MARKS.sub(lambda found: f"{_PARTED}{found[0]}{_PARTED}", _parted(text))
    return html.escape(text, quote=False)


TEXT = Dialect("text", str, str, lambda address, words: f"{words}: {address}")
MARKDOWN = Dialect(
    "Markdown",
    _markdown,
    lambda text: f"**{text}**",
    lambda address, words: f"[{words}](<{address}>)",
)
SLACK = Dialect(
    "Slack's mrkdwn",
    _slack,
    lambda text: f"*{text}*",
    lambda address, words: f"<{html.escape(address, quote=False)}|{words}>",
)
HTML = Dialect(
    "HTML",
    lambda text: html.escape(_parted(text)),
    lambda text: f"<b>{text}</b>",
    lambda address, words: f'<a href="{html.escape(address)}">{words}</a>',
)
