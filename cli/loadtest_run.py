"""Running what `rtp loadtest` was asked for, and writing its files."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from cli.loadtest_view import ProgressView, print_comparison, print_limit, print_result
from cli.output import err, print_json, print_problem
from core.errors import SettingsError
from core.stack.ports import is_free
from loadtests.scenarios.limit import FIRST_RATE, STEP_SECONDS, Limit, find_limit
from loadtests.scenarios.load import Load, warm_up
from loadtests.scenarios.loopback import elsewhere
from loadtests.scenarios.results.comparison import caveats, compare
from loadtests.scenarios.results.report import report
from loadtests.scenarios.results.result import read_result
from loadtests.scenarios.run import LoadRun
from loadtests.scenarios.scenario import Scenario, find_scenario
from loadtests.scenarios.target import configured_target, embedded_target, intentions, reseed

if TYPE_CHECKING:
    import threading
    from contextlib import AbstractContextManager
    from pathlib import Path

    from core.settings.models import Settings
    from loadtests.scenarios.results.result import RunResult
    from loadtests.scenarios.target import Target


@dataclass(frozen=True)
class WantedLoad:
    """What the options ask for."""

    scenario: str
    rate: float | None
    seconds: float | None
    json_file: Path | None
    html_file: Path | None
    web_port: int | None
    csv_prefix: Path | None
    finds_limit: bool


def run(wanted: WantedLoad, configured: Settings | None, stop_requested: threading.Event, *, is_owned: bool) -> None:
    """Run, print, write the files. Raises Exit(1) where a criterion fails (a limit that was found is no failure)."""
    scenario = find_scenario(wanted.scenario)
    for file in (wanted.json_file, wanted.html_file, wanted.csv_prefix):
        _check_writable(file)
    if wanted.web_port is not None and not is_free(wanted.web_port):
        raise SettingsError(f"option --web: port {wanted.web_port} is taken", "Name another one")
    with _target(configured, scenario, stop_requested, is_owned=is_owned) as target:
        mode = _find_limit if wanted.finds_limit else _run_once
        result = mode(wanted, scenario, target, stop_requested)
    if result is None:
        raise typer.Exit(1)
    _write(result, wanted)
    if not result.passed and not wanted.finds_limit:
        raise typer.Exit(1)


def compare_files(before_file: Path, after_file: Path, json_file: Path | None) -> None:
    """Print, or write, how two results differ."""
    _check_writable(json_file)
    before, after = read_result(before_file), read_result(after_file)
    differences, remarks = compare(before, after), caveats(before, after)
    if json_file is not None:
        _write_json({"caveats": remarks, "differences": [vars(one) for one in differences]}, json_file)
        if str(json_file) == "-":
            return
    print_comparison(differences, remarks)


def _check_writable(file: Path | None) -> None:
    """Say before a run, not after it, that its result could not be written."""
    if file is None or str(file) == "-":
        return
    if not file.parent.is_dir():
        raise SettingsError(f"{file.parent} is no folder", "Name a file in one that exists")
    if file.is_dir():
        raise SettingsError(f"{file} is a folder", "Name a file in it")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise SettingsError(f"{file} cannot be written", "Name a file that you may write")


def _target(
    configured: Settings | None, scenario: Scenario, stop_requested: threading.Event, *, is_owned: bool
) -> AbstractContextManager[Target]:
    if configured is None:
        return embedded_target(scenario, err.print, stop_requested)
    if not configured.redis.url:
        raise SettingsError("a load test needs Redis: subscribers measure there", "Set RTP_REDIS_URL or --redis-url")
    away = elsewhere(configured)
    if away and not is_owned:
        raise SettingsError(
            f"{', '.join(away)} of this target cannot be told to be on this machine",
            "A load test there has to be meant: add --i-own-this-target",
        )
    err.print("This load test writes, on a target that is not its own:")
    for line in intentions(configured, scenario):
        print_problem(f"- {line}")
    return configured_target(configured, scenario)


def _run_once(wanted: WantedLoad, scenario: Scenario, target: Target, stop_requested: threading.Event) -> RunResult:
    seconds, rate = wanted.seconds or scenario.seconds, wanted.rate or scenario.rate
    load = Load(
        scenario,
        rate,
        seconds,
        warm_up(scenario, rate, seconds),
        wanted.web_port,
        str(wanted.csv_prefix) if wanted.csv_prefix else None,
    )
    result = _run(target, load, stop_requested)
    if str(wanted.json_file) != "-":
        print_result(result)
    return result


def _find_limit(
    wanted: WantedLoad, scenario: Scenario, target: Target, stop_requested: threading.Event
) -> RunResult | None:
    seconds = wanted.seconds or STEP_SECONDS

    def step(rate: float) -> RunResult:
        reseed(target, scenario)
        return _run(target, Load(scenario, rate, seconds, warm_up(scenario, rate, seconds)), stop_requested)

    found = Limit(None, None, None)
    for found in find_limit(step, wanted.rate or FIRST_RATE):
        last = found.last
        assert last is not None
        failures = [f"{c.name} {c.measured} (required {c.required})" for c in last.criteria if c.passed is False]
        verdict = f"fails: {'; '.join(failures)}" if failures else "passes"
        err.print(f"{last.rate:,.0f} rows/s {verdict}", soft_wrap=True, markup=False)
    if str(wanted.json_file) != "-":
        print_limit(found)
    return found.passed


def _run(target: Target, load: Load, stop_requested: threading.Event) -> RunResult:
    if load.web_port:
        err.print(f"Locust's web UI: http://127.0.0.1:{load.web_port}")
    with ProgressView(load) as view:
        run = LoadRun(target, load, on_progress=view.show, on_problem=print_problem, stop_requested=stop_requested)
        return run.run()


def _write(result: RunResult, wanted: WantedLoad) -> None:
    if wanted.json_file is not None:
        _write_json(result.model_dump(mode="json"), wanted.json_file)
    if wanted.html_file is not None:
        wanted.html_file.write_text(report(result), encoding="utf-8")
        err.print(f"Report: {wanted.html_file}", markup=False)


def _write_json(document: object, file: Path) -> None:
    if str(file) == "-":
        print_json(document)
    else:
        file.write_text(json.dumps(document) + "\n", encoding="utf-8")
