"""Every command explains itself."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli.app import COMMANDS as PLACES
from cli.app import app
from tests.command import Command


def commands_of(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by its words; a group's own commands instead of the group, unless it is a command, too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield f"{prefix}{name}", command
            yield from commands_of(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


COMMANDS = dict(commands_of(get_command(app)))
each_command = pytest.mark.parametrize("name", COMMANDS)


def help_of(name: str) -> str:
    """What `--help` prints above the options."""
    return str(COMMANDS[name].help)


def options_of(name: str) -> dict[str, str]:
    """Every option's names and what its help says."""
    return {option: parameter.help or "" for parameter in COMMANDS[name].params for option in parameter.opts}


def examples_of(name: str) -> list[list[str]]:
    """The command lines in a command's help, as words."""
    return [
        shlex.split(line) for line in re.findall(r"\[bold\](rtp [^\[]+)\[/\]", help_of(name).partition("Example")[2])
    ]


@each_command
def test_it_says_in_its_first_line_what_it_does(name: str) -> None:
    assert re.fullmatch(r"[A-Z].{20,160}[.:;].*", help_of(name).splitlines()[0])


@each_command
def test_its_help_has_an_example(name: str) -> None:
    (first, *_) = examples_of(name)
    assert " ".join(first).startswith(f"rtp {name}")


@each_command
def test_its_examples_name_options_that_exist(name: str) -> None:
    used = {word for words in examples_of(name) for word in words if word.startswith("--")}
    assert used - options_of(name).keys() == set()


@each_command
def test_every_option_says_what_it_is_for(name: str) -> None:
    assert {option for option, text in options_of(name).items() if not text} == set()


@each_command
def test_it_prints_json_where_asked(name: str) -> None:
    assert "--json" in options_of(name) or name == "schema"  # which is JSON


def test_the_list_says_of_each_command_what_its_own_help_begins_with() -> None:
    group: Any = get_command(app)
    begin = {name: " ".join(str(one.help).split("\n\n")[0].split()) for name, one in group.commands.items()}
    assert {name: place.summary for name, place in PLACES.items()} == begin


LOADED = """
import sys
from cli.app import app
try:
    app(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""


def loaded_by(*words: str) -> set[str]:
    """The modules that a command line loads."""
    done = subprocess.run([sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_the_list_of_commands_loads_none_of_them() -> None:
    assert loaded_by("--help") & {"psycopg", "redis", "pydantic", "yaml", "core.settings.models"} == set()


@pytest.mark.parametrize("name", ["run", "tail", "serve", "notify", "loadtest", "validate", "status", "top"])
def test_the_help_that_is_asked_for_most_loads_nothing_that_the_work_needs(name: str) -> None:
    assert loaded_by(name, "--help") & {"psycopg", "redis", "yaml", "core.settings.models"} == set()


def test_without_a_command_all_of_them_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        app(["--help"])
    listed = capsys.readouterr().out
    assert [name for name in COMMANDS if name.split()[0] not in listed] == []


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("statsu", "No such command 'statsu'. Did you mean 'status'? See `rtp --help`\n"),
        ("dlq lst", "No such command 'lst'. Did you mean 'list'? See `rtp dlq --help`\n"),
        ("explain --token usdc", "Missing option '--kind'. See `rtp explain --help`\n"),
        ("notify ack", "Missing argument 'ID...'. See `rtp notify ack --help`\n"),
        (
            "run --source mysql",
            "Invalid value for '--source': 'mysql' is not one of 'postgres', 'dynamodb'. See `rtp run --help`\n",
        ),
        ("status now", "Got unexpected extra argument(s) (now). See `rtp status --help`\n"),
    ],
)
def test_what_is_typed_wrong_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str, told: str
) -> None:
    done = Command(capsys, monkeypatch)(*typed.split())
    assert (done.code, done.out, done.err) == (2, "", told)


@pytest.mark.parametrize("typed", ["", "dlq"])
def test_a_group_alone_shows_its_help(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    done = Command(capsys, monkeypatch)(*typed.split())
    assert (done.code, done.err) == (2, "")
    assert f"Usage: rtp {typed}" in done.out


def test_the_version_is_that_of_the_installed_distribution() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.output) == (0, f"rtp {version('defi-rtp')}\n")
