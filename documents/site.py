"""What the site is made of: the documents, and beside them each file of the repository that they link to."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = ROOT / "docs"
_LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")


def gather(site: Path) -> None:
    """Copy the documents to a folder of their own, where no link leads out of it."""
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(DOCUMENTS, site)
    for page in sorted(DOCUMENTS.rglob("*.md")):
        _copy_page(page, site)


def _place(source: Path, site: Path) -> Path:
    """Where a file of the repository is in the site."""
    if source.is_relative_to(DOCUMENTS):
        return site / source.relative_to(DOCUMENTS)
    return site / "files" / source.relative_to(ROOT)


def _copy_page(page: Path, site: Path) -> None:
    target = _place(page, site)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch()  # pages may link to one another
    text = _LINK.sub(lambda link: _linked(link[1], page, site), page.read_text("utf-8"))
    target.write_text(text, "utf-8")


def _linked(link: str, page: Path, site: Path) -> str:
    """The link as the site has it; what it leads to is copied, where it is none of the documents."""
    source = (page.parent / link).resolve()
    if not source.exists():
        return link
    target = _place(source, site)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif not target.exists():
        if source.suffix == ".md":
            _copy_page(source, site)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return os.path.relpath(target, _place(page, site).parent)


if __name__ == "__main__":
    gather(Path(sys.argv[1]))
