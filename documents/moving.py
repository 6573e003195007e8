"""Make one moving picture of several drawings of a terminal, in SVG: what they share is drawn once.

It moves by CSS alone, so it does so within an `<img>`, too. Whoever wants no motion sees the first drawing.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECONDS = 1.2
"""So long each drawing stands."""
_CELL = 12.2
"""How wide Rich draws a character."""
_SPACE = "&#160;"
_STYLE = re.compile(r"\.terminal-\d+-(r\d+) \{ ([^}]*) \}")
_RECT = re.compile(
    r'<rect (fill="#\w+" x="[^"]*" y="[^"]*" width="[^"]*" height="[^"]*") shape-rendering="crispEdges"/>'
)
_TEXT = re.compile(r'<text class="terminal-\d+-(r\d+)" x="([^"]*)" y="([^"]*)" [^>]*>([^<]*)</text>')


@dataclass(frozen=True)
class _Drawing:
    """What one drawing is made of, each as an element of SVG that means the same in every drawing."""

    rects: tuple[str, ...]
    texts: tuple[str, ...]


def moving(drawings: Sequence[str]) -> str:
    """The picture. Drawings are what Rich exports, all of one size."""
    styles: dict[str, str] = {}
    taken_apart = [_take_apart(drawing, styles) for drawing in drawings]
    head = re.match(r'<svg class="rich-terminal" (viewBox="[^"]*" xmlns="[^"]*")>', drawings[0])
    frame = re.search(r"<rect fill=\"#\w+\" stroke.*?</g>", drawings[0], re.DOTALL)
    assert head
    assert frame
    title = re.sub(r' class="terminal-\d+-title"', ' class="title"', frame[0])
    body = "".join(_layer([getattr(drawing, part) for drawing in taken_apart]) for part in ("rects", "texts"))
    return f"<svg {head[1]}>\n<style>\n{_rules(styles, len(drawings))}</style>\n{title}\n" + (
        f'<g transform="translate(9, 41)" class="terminal">\n{body}</g>\n</svg>\n'
    )


def _take_apart(drawing: str, styles: dict[str, str]) -> _Drawing:
    """The elements of a drawing; `styles` gets the name of each style that was not there before."""
    own = {name: styles.setdefault(style, f"s{len(styles)}") for name, style in _STYLE.findall(drawing)}
    texts = (_text(own[name], x, y, content) for name, x, y, content in _TEXT.findall(drawing))
    rects = (f'<rect {place} shape-rendering="crispEdges"/>' for place in _RECT.findall(drawing))
    return _Drawing(tuple(rects), tuple(text for text in texts if text))


def _text(style: str, x: str, y: str, content: str) -> str:
    """A text without the spaces behind it; nothing where there are only those."""
    content = re.sub(rf"(?:{_SPACE}|\s)+$", "", content)
    characters = len(re.sub(r"&[^;]+;", "_", content))
    width = f"{characters * _CELL:.1f}"
    return f'<text class="{style}" x="{x}" y="{y}" textLength="{width}">{content}</text>' if content else ""


def _layer(drawings: Sequence[Sequence[str]]) -> str:
    """What all drawings have, then what each has beside it."""
    times = Counter(element for drawing in drawings for element in dict.fromkeys(drawing))
    shared = [element for element in dict.fromkeys(drawings[0]) if times[element] == len(drawings)]
    alone = ([element for element in drawing if times[element] < len(drawings)] for drawing in drawings)
    groups = (f'<g class="frame f{number}">{"".join(own)}</g>\n' for number, own in enumerate(alone))
    return "".join(shared) + "\n" + "".join(groups)


def _rules(styles: dict[str, str], count: int) -> str:
    whole, share = count * _SECONDS, f"{100 / count:.2f}%"
    lines = (
        ".terminal { font-family: Fira Code, DejaVu Sans Mono, Menlo, Consolas, monospace; font-size: 20px; }",
        ".terminal text { white-space: pre; }",
        ".title { font-size: 18px; font-weight: bold; font-family: arial, sans-serif; }",
        *(f".{name} {{ {style} }}" for style, name in styles.items()),
        f"@keyframes turn {{ 0% {{ visibility: visible; }} {share}, 100% {{ visibility: hidden; }} }}",
        f".frame {{ visibility: hidden; animation: turn {whole:.1f}s step-end infinite; }}",
        ".f0 { visibility: visible; }",
        *(f".f{number} {{ animation-delay: {number * _SECONDS - whole:.1f}s; }}" for number in range(count)),
        "@media (prefers-reduced-motion: reduce) { .frame { animation: none; } }",
    )
    return "".join(f"{line}\n" for line in lines)
