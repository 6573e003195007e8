"""The page's files: nothing from elsewhere, nothing that its security policy refuses, vendored as published."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from pathlib import Path

import pytest

PAGE = Path(str(files("core.gateway") / "page"))
UPLOT = PAGE / "vendor" / "uplot"
OWN = sorted(path for path in PAGE.rglob("*.*") if UPLOT not in path.parents)


def test_vendored_files_are_those_that_were_published() -> None:
    lines = (UPLOT / "SHA256SUMS").read_text().splitlines()
    told = {name: digest for digest, name in (line.split() for line in lines)}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in UPLOT.iterdir()}
    assert found | told == found
    assert {path.name for path in UPLOT.iterdir()} == {*told, "SHA256SUMS", "README.md"}


def test_the_vendored_licence_is_there() -> None:
    assert (UPLOT / "LICENSE.txt").read_text().startswith("The MIT License (MIT)")


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_no_address_of_another_server_stands_in_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"""["'(](?:https?:)?//[^"'\s)]+""", text) == []


def test_the_html_holds_no_script_style_or_listener_of_its_own() -> None:
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", html) == []


@pytest.mark.parametrize("path", [path for path in OWN if path.suffix == ".js"], ids=lambda path: path.name)
def test_every_module_that_is_imported_is_there(path: Path) -> None:
    wanted = re.findall(
        r"""(?:from|import)\s*\(?"(\.[^"]+)"|new URL\("(\.[^"]+)", import\.meta""", path.read_text(encoding="utf-8")
    )
    places = [(path.parent / (one or other)).resolve() for one, other in wanted]
    assert [place for place in places if not place.is_file() and place != PAGE / "rtp.js"] == []


def test_all_that_the_html_names_is_there() -> None:
    named = re.findall(r'(?:src|href)="([^"#]+)"', (PAGE / "index.html").read_text(encoding="utf-8"))
    assert [name for name in named if not (PAGE / name).is_file()] == ["rtp.js"]  # the gateway serves the client's


def test_the_html_names_every_module_so_that_all_are_fetched_at_once() -> None:
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    preloaded = re.findall(r'<link rel="modulepreload" href="(js/[^"]+)">', html)
    modules = [path.relative_to(PAGE).as_posix() for path in OWN if path.suffix == ".js"]
    assert sorted([*preloaded, "js/main.js"]) == modules
