"""Somebody who does what a page says, block by block, in a folder and on servers of a test."""

from __future__ import annotations

import ast
import asyncio
import gzip
import http.client
import io
import json
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import psycopg
import yaml
from jinja2.sandbox import SandboxedEnvironment

from core.kinds import SHIPPED
from core.settings.file import default_path
from core.settings.models import settings_model
from core.sinks.settings import load_settings, settings_with_sections
from infrastructure.deployment import Deployment
from tests.followed import node
from tests.page_blocks import typed_in
from tests.rtp_process import ROOT, rtp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Command
    from tests.page_blocks import Block, TypedLine
    from tests.rtp_process import RtpProcess

NOT_RUN_HERE = {
    "docker": "there is no Docker; `make deployment` and tests/integration/test_deployment.py check its files",
    "kubectl": "there is no cluster; the manifests are checked likewise",
    "systemctl": "there is no systemd; the units are checked likewise",
    "install": "it writes to /etc",
    "python3": "an environment of its own takes a minute: tests/e2e/test_distribution.py makes one",
    "npx": "it deploys to AWS; tests/unit/test_infrastructure.py synthesises the stacks",
    "aws": "it asks AWS",
    "rtp_task": "it asks AWS; the commands that it takes are run on other pages",
    ".": "the commands of this environment are those that are run",
    "cp": "it changes the clone",
    "run": "`.ci/run` runs the tests",
}
"""Programs that no page can have run in a test, and why."""
RTP_NOT_RUN_HERE = {
    r"run --demo": "it starts servers of its own: tests/e2e/test_demo.py",
    r"run --source dynamodb|replay|forget": "it reads DynamoDB's streams: tests/integration/test_streams_command.py",
    r"loadtest": "it measures: tests/integration/test_cli_loadtest.py",
    r"top(?!.*--json)": "it needs a terminal: tests/integration/test_top_command.py",
    r"notify ack": "nobody was asked yet: tests/integration/test_acknowledging.py",
}
"""Commands of rtp that no page can have run in a test, and why."""
_ENDLESS = re.compile(
    r"run(?!.*--(?:for|until-idle))|serve|notify(?!.* --(?:test|dry-run|until-idle)| ack)|tail"
    r"|(?:status|cache stats) .*--every"
)
_SECTIONS = settings_model(SHIPPED, settings_with_sections()).model_fields.keys()
_ONLY_IN_DEPLOYMENTS = Deployment.model_fields.keys() - _SECTIONS
_ONE_OF_SEVERAL_FORMS = ("webhook",)
_GO_ON = ("run", "serve")
"""What goes on while the page does."""
HISTORIES = {
    "tvl.csv.gz": "time,protocol,chain,tvl_usd\n"
    + "".join(f"2024-03-{day:02}T12:00:00Z,lido,ethereum,{100 + day % 3}\n" for day in range(1, 30)),
    "prices.csv.gz": "time,token,chain,price_usd\n"
    + "".join(f"2024-03-{day:02}T12:00:00Z,usdc,ethereum,1.00{day % 3}\n" for day in range(1, 30)),
}


class _Keyboard(io.StringIO):
    """What is typed, at a terminal."""

    def isatty(self) -> bool:
        return True


class Newcomer:
    """`places` are the texts of the page that stand for the test's own: addresses, names of roles and databases."""

    def __init__(self, folder: Path, command: Command, environ: Mapping[str, str], places: Mapping[str, str]) -> None:
        self._folder, self._command, self._exits = folder, command, ExitStack()
        self._environ = dict(environ)
        self._places = places
        self._running: dict[str, RtpProcess] = {}
        self._settings: dict[str, Any] = yaml.safe_load(default_path().read_text("utf-8"))
        self._settings["serve"] = {"listen": places["127.0.0.1:8787"]}
        self._settings["notify"] = [{"name": "desk", "to": [{"env": "DESK_URL"}]}]
        for name in ("rtp.yaml", "new.yaml"):
            (folder / name).write_text(yaml.safe_dump(self._settings), "utf-8")
        for name, text in HISTORIES.items():
            (folder / name).write_bytes(gzip.compress(text.encode()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failed: object) -> None:
        try:
            if failed == (None, None, None):
                self._stop()
        finally:
            self._exits.close()

    def do(self, block: Block) -> None:
        """Do what a block says."""
        doing = getattr(self, f"_do_{block.language}")
        doing(block)

    def _do_text(self, block: Block) -> None:
        """Nothing is to be done: it is what rtp says, or a picture."""

    _do_nginx = _do_ini = _do_text

    def _do_json(self, block: Block) -> None:
        json.loads(block.text)

    def _do_jinja(self, block: Block) -> None:
        filters = dict.fromkeys(("bold", "link"), str)
        environment = SandboxedEnvironment(autoescape=True)
        environment.filters.update(filters)
        environment.parse(block.text)

    def _do_js(self, block: Block) -> None:
        file = self._folder / "block.mjs"
        file.write_text(block.text, "utf-8")
        subprocess.run([node(), "--check", str(file)], check=True)

    def _do_sql(self, block: Block) -> None:
        with psycopg.connect(self._environ["RTP_POSTGRES_DSN"], autocommit=True) as connection:
            connection.execute(self._placed(block.text).encode())

    def _do_yaml(self, block: Block) -> None:
        """Put it into the settings: whole sections, or keys of a watch."""
        document = yaml.safe_load(block.text)
        if document.keys() & _ONLY_IN_DEPLOYMENTS:
            Deployment.model_validate(document)
            return
        if not document.keys() <= _SECTIONS:
            document = {"watches": {"prices": self._settings["watches"]["prices"] | document}}
        for section, keys in document.items():
            before = self._settings.get(section)
            is_added = isinstance(before, dict) and section not in _ONE_OF_SEVERAL_FORMS
            self._settings[section] = before | keys if is_added else keys
        written = self._folder / "rtp.yaml"
        written.write_text(self._placed(yaml.safe_dump(self._settings, sort_keys=False)), "utf-8")
        load_settings(written, environ={"DESK_URL": "json://localhost"}, options={})

    def _do_python(self, block: Block) -> None:
        """Run what is whole; what is endless until it waits."""
        code = self._placed(block.text)
        compiled = compile(code, "block", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if "import" not in code or "dynamodb=" in code:
            return
        given: dict[str, Any] = {"token": None}
        if "async for" in code:
            self._need_gateway()
            code = code.replace("asyncio.run(main())", "")
            exec(compile(code, "block", "exec"), given)  # noqa: S102 - it is what the page has readers run
            with suppress(TimeoutError):
                asyncio.run(asyncio.wait_for(given["main"](), 0.5))
        else:
            exec(compiled, given)  # noqa: S102 - likewise

    def _do_sh(self, block: Block) -> None:
        for line in typed_in(block):
            if line.program == "export":
                self._environ |= dict(self._placed(word).split("=", 1) for word in line.words[1:])
            elif line.program == "rtp":
                self._run_rtp(line)
            elif line.program == "make":
                assert f"\n{line.words[1]}:" in (ROOT / "Makefile").read_text("utf-8"), f"no `make {line.words[1]}`"
            elif line.program == "pip":
                _check_extras(line.words[-1])
            elif line.program == "curl":
                self._fetch(line.words[-1])
            else:
                assert line.program in NOT_RUN_HERE, (
                    f"line {block.line}: {line.program} is not run, and nobody says why"
                )

    def _run_rtp(self, line: TypedLine) -> None:
        words = [self._placed(word) for word in line.words[1:]]
        typed = " ".join(words)
        if any(re.match(f"({pattern})", typed) for pattern in RTP_NOT_RUN_HERE):
            return
        environ = self._environ | {name: self._placed(value) for name, value in line.variables.items()}
        if _ENDLESS.match(typed):
            self._start(words, environ)
            return
        if words[0] == "init":  # whoever begins has none
            (self._folder / "rtp.yaml").unlink(missing_ok=True)
        with self._answering("a" if words[0] == "init" else "y"):
            done = self._command(*words, environ=environ)
        assert done.code == 0, f"rtp {typed}: {done.err or done.out}"

    def _start(self, words: list[str], environ: Mapping[str, str]) -> None:
        """Run it until it says something; some go on until another one takes their place."""
        name = words[0]
        if name in _GO_ON:
            self._stop()
        in_folder = [str(self._folder / word) if (self._folder / word).is_file() else word for word in words]
        if name == "tail":
            in_folder += ["--since", "0"]  # what has come, as nothing may come now
        process = self._exits.enter_context(rtp(*in_folder, environ=environ))
        process.wait_for("\n")
        if name in _GO_ON:
            self._running[name] = process
        else:
            _end(words, process)

    def _stop(self) -> None:
        """End what goes on."""
        for name, process in self._running.items():
            _end([name], process)
        self._running.clear()

    def _need_gateway(self) -> None:
        """Have one answer, where the page takes for granted that there is one."""
        if not self._running:
            self._start(["serve", "--config", "rtp.yaml"], self._environ)

    def _fetch(self, address: str) -> None:
        if "://" in address and "rtp.example" not in address:  # another host is asked
            return
        self._need_gateway()
        place, _, path = self._placed(address).removeprefix("http://").partition("/")
        host, _, port = place.partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        connection.request("GET", f"/{path}")
        assert connection.getresponse().status == 200, address
        connection.close()

    @contextmanager
    def _answering(self, answer: str) -> Iterator[None]:
        """Somebody sits there, and says this whatever is asked."""
        before, sys.stdin = sys.stdin, _Keyboard(f"{answer}\n" * 20)
        try:
            yield
        finally:
            sys.stdin = before

    def _placed(self, text: str) -> str:
        names = sorted(self._places, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, names)), lambda found: self._places[found[0]], text)


def _end(words: list[str], process: RtpProcess) -> None:
    code = process.end(signal.SIGINT)
    assert code in (0, 130), f"rtp {' '.join(words)} ended with {code}: {process.err}"


def _check_extras(requirement: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    wanted = re.findall(r"[\w-]+", requirement.partition("[")[2])
    assert set(wanted) <= extras.keys(), requirement
