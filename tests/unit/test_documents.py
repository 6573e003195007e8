"""The documents hold together: each link leads to a page and a heading that are there, also from the code."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from cli.app import app
from core.monitor.progress import REASONS
from documents.pages import FOLDER, PAGES
from tests.page_blocks import blocks_of, typed_in

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = [
    path
    for room in (
        "cli",
        "configs",
        "core",
        "deploy",
        "examples",
        "infrastructure",
        "loadtests",
        "rtp_client",
        "triggers",
    )
    for path in sorted((ROOT / room).rglob("*"))
    if path.suffix in {".py", ".sql", ".lua", ".yaml", ".js", ".html", ".sh"} and "node_modules" not in path.parts
]
LINK = re.compile(r"\]\(([^)\s]+)\)")


@cache
def prose_of(page: Path) -> str:
    """A page without its blocks of code, where brackets are not links."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^    .*$", "", text, flags=re.MULTILINE))


@cache
def anchors_of(page: Path) -> frozenset[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


@pytest.mark.parametrize("page", DOCUMENTS, ids=[str(page.relative_to(ROOT)) for page in DOCUMENTS])
def test_each_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(prose_of(page)):
        path, _, anchor = link.partition("#")
        if ":" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


def pages_of(navigation: Any) -> set[str]:
    if isinstance(navigation, str):
        return {navigation}
    return set().union(*map(pages_of, navigation.values() if isinstance(navigation, dict) else navigation))


def test_each_page_stands_in_the_navigation_of_the_site() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    folder = ROOT / "docs"
    assert pages_of(site["nav"]) == {str(page.relative_to(folder)) for page in folder.rglob("*.md")}


def test_the_first_page_leads_to_every_other_one() -> None:
    folder = ROOT / "docs"
    pages = {str(page.relative_to(folder)) for page in folder.rglob("*.md")}
    assert pages - set(LINK.findall(prose_of(folder / "index.md"))) == {"index.md"}


def test_the_site_can_be_read_from_the_disk_and_asks_no_other_host() -> None:
    """The plugin that makes it so has each page load a Worker from elsewhere, unless one is named."""
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert site["theme"]["font"] is False
    assert "offline" in site["plugins"]
    [worker] = site["extra"]["polyfills"]
    assert Path(worker["path"]).name == "iframe-worker.js"
    assert (ROOT / "docs" / worker["path"]).is_file()


def test_each_page_that_the_code_names_is_there() -> None:
    named = {
        (str(path.relative_to(ROOT)), page)
        for path in CODE
        for page in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8"))
    }
    assert [(path, page) for path, page in sorted(named) if not (ROOT / page).is_file()] == []


def commands_in(page: Path) -> list[tuple[str, ...]]:
    """What is typed behind `rtp` in a page's blocks, without what goes on in the shell."""
    lines = [line for block in blocks_of(page) if block.language == "sh" for line in typed_in(block)]
    return [line.words[1:] for line in lines if line.program == "rtp"]


@pytest.mark.parametrize("words", sorted({words for page in DOCUMENTS for words in commands_in(page)}), ids=" ".join)
def test_a_command_in_a_page_is_one_that_rtp_understands(words: tuple[str, ...]) -> None:
    command: Any = get_command(app)
    left = [word for word in words if word != "…"]
    while hasattr(command, "commands") and not (command.invoke_without_command and (left or ["-"])[0].startswith("-")):
        command = command.commands[left.pop(0)]
    command.make_context("rtp", left)


@pytest.mark.parametrize("page", DOCUMENTS, ids=[str(page.relative_to(ROOT)) for page in DOCUMENTS])
def test_each_block_of_code_says_what_it_is(page: Path) -> None:
    """A block by indentation says nothing, and nobody tries it."""
    assert [block.line for block in blocks_of(page) if not block.language] == []
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"(?<=\n\n)    .*", prose) == []


@pytest.mark.parametrize("name", PAGES)
def test_what_the_code_writes_is_as_the_code_is(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "`make reference` writes it anew"


def test_each_reason_of_readyz_is_described() -> None:
    code = "".join(path.read_text("utf-8") for path in CODE if path.suffix == ".py")
    given = set(re.findall(r'Hindrance\(\s*"([\w -]+)"', code))
    assert given <= REASONS.keys()


def test_each_metric_that_is_declared_is_told() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "core").rglob("*.py"))
    declared = set(re.findall(r"^([A-Z_]+) = (?:gauge|counter|histogram|CloudWatchMetric)\(", code, re.MULTILINE))
    told = set(re.findall(r"\b([A-Z_]+)(?:\.(?:of|by|alone)\(|\b(?=[,)]))", code))
    assert len(declared) > 60
    assert declared - told == set()
