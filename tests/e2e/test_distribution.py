"""rtp as it is installed: what the wheel holds, and rtp beside projects whose modules are called as its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.rtp_process import ROOT, environ_of, rtp

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from core.settings.models import Settings

NAMES = ("core", "cli", "triggers", "configs", "loadtests")
SERVICE = """
import sys
from core import OURS
from rtp_client import CacheReader, EventStream

url = sys.argv[1]
with EventStream(url) as stream:
    event = next(stream.follow(0)).event
with CacheReader(url) as cache:
    entry = cache.get("tvl", event.data.chain, event.data.entity)
print(OURS, event.data.entity, entry.value, entry.source, "core.settings" in sys.modules)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(copy))
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel alone; what it depends on is found where the tests have it."""
    place = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True, timeout=120)
    python = place / "bin" / "python"
    _pip("--python", str(python), "install", "--no-index", "--no-deps", str(wheel))
    site = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return place / "bin"


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, timeout=120)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's project, whose packages are called as rtp's own folders are."""
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("OURS = 'a module of the project'\n", encoding="utf-8")
    (tmp_path / "service.py").write_text(SERVICE, encoding="utf-8")
    return tmp_path


def run(*command: Any, cwd: Path, environ: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_what_runs_in_production_the_demo_and_the_load_test(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    folders = {"/".join(name.split("/")[:2]) if name.startswith("loadtests/") else name.split("/")[0] for name in names}
    assert {folder for folder in folders if "dist-info" not in folder} == {
        *("cli", "configs", "core", "defi_rtp.py", "rtp_client", "triggers"),
        *("loadtests/__init__.py", "loadtests/scenarios", "loadtests/shared"),
    }
    assert [name for name in names if name.startswith("configs/")] == ["configs/default.yaml"]
    assert {"rtp_client/py.typed", "rtp_client/js/rtp.js", "rtp_client/js/package.json"} <= set(names)


def test_the_distribution_is_not_called_as_the_command_is(wheel: Path) -> None:
    assert wheel.name.startswith("defi_rtp-")


@pytest.mark.parametrize("arguments", [("--help",), ("schema",), ("run", "--demo", "--for", "1s")])
def test_the_command_does_not_take_a_projects_modules_for_its_own(
    bin_folder: Path, project: Path, arguments: tuple[str, ...]
) -> None:
    environ = {"PYTHONPATH": str(project), "XDG_STATE_HOME": str(project / "state")}
    run(bin_folder / "rtp", *arguments, cwd=project, environ=environ)


@pytest.mark.parametrize("gone", [False, True])
def test_a_package_that_was_installed_over_rtps_own_is_named(bin_folder: Path, tmp_path: Path, gone: bool) -> None:
    place = shutil.copytree(bin_folder.parent, tmp_path / "installed", symlinks=True)
    (file,) = place.glob("lib/python*/site-packages/core/errors.py")
    file.unlink() if gone else file.write_text("OURS = 'a module of theirs'\n", encoding="utf-8")
    command = (place / "bin" / "python", "-c", "import defi_rtp; defi_rtp.main()", "--help")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"{file} is not rtp's: another distribution has put it there. Install rtp into an")


def test_a_service_with_a_core_of_its_own_reads_what_a_running_rtp_publishes(
    bin_folder: Path, project: Path, settings: Settings, writer: psycopg.Connection
) -> None:
    with rtp("run", environ=environ_of(settings)) as process:
        process.wait_for("watch protocols")
        writer.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 100, 'llama')")
        writer.execute("UPDATE tvl SET tvl_usd = 120")
        command = (bin_folder / "python", "service.py", settings.redis.url)
        told = run(*command, cwd=project, environ={"PYTHONPATH": str(project)})
    assert told.split("project ")[1].split() == ["lido", "120", "cache", "False"]


def test_the_public_face_is_loaded_when_it_is_used(bin_folder: Path, project: Path) -> None:
    code = "import sys, rtp_client; print([m for m in ('redis', 'psycopg', 'pydantic') if m in sys.modules])"
    assert run(bin_folder / "python", "-c", code, cwd=project, environ={}) == "[]\n"


def test_every_name_of_the_public_face_is_there(bin_folder: Path, project: Path) -> None:
    code = "import rtp_client; print(all(getattr(rtp_client, name) for name in rtp_client.__all__))"
    assert run(bin_folder / "python", "-c", code, cwd=project, environ={}) == "True\n"
