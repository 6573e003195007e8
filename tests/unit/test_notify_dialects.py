"""Whatever a name is, a service's markup shows it as that name, and does nothing else by it."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.notify.words.dialects import HTML, MARKDOWN, SLACK, Marked, visible

NAMES = st.text(
    st.one_of(st.sampled_from("*_`~[]()<>#+-=|{}.!\\&;:@/ \n1a"), st.characters(codec="utf-8")), max_size=30
)


class Reader(HTMLParser):
    """What a browser would show, and the elements that it would make."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.elements: list[str] = []
        self.feed(page)
        self.close()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.append(tag)


def shown(text: str) -> str:
    """Without the characters that have no width."""
    return text.replace("\u200b", "")


@given(NAMES)
@example("1) a")
@example("&amp;")
def test_markdown_shows_a_name_as_it_is(name: str) -> None:
    page = Reader(MarkdownIt("commonmark").render(MARKDOWN.marked(name)))
    assert page.elements == (["p"] if visible(name) else [])
    assert shown(page.text).strip() == visible(name)


@given(NAMES)
def test_html_shows_a_name_as_it_is(name: str) -> None:
    page = Reader(f"{HTML.bold(name)}<br>")
    assert page.elements == [*(["b"] if visible(name) else []), "br"]
    assert shown(page.text) == visible(name)


@given(NAMES)
def test_slack_finds_no_mention_and_no_link_in_a_name(name: str) -> None:
    marked = SLACK.marked(name)
    assert not set("<>") & set(marked)
    assert "@channel" not in marked and "@here" not in marked


def test_what_is_marked_is_not_escaped_again() -> None:
    assert MARKDOWN.marked(MARKDOWN.bold("*x*")) == "**\\*x\\***"
    assert isinstance(HTML.link("https://a/?b&c", "<x>"), Marked)
    assert HTML.link("https://a/?b&c", "<x>") == '<a href="https://a/?b&amp;c">&lt;x&gt;</a>'
