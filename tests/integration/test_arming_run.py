"""A running rtp tells within seconds that a watch is not armed, wherever people look, and when it is again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from core.demo.tables import create_tables
from core.inspection.document import as_document
from core.inspection.inspector import inspect
from core.monitor.monitor import Monitor
from core.processor.build import postgres_server
from core.processor.status import StatusReporter
from core.services.postgres import connect
from core.settings.models import Settings, TriggerSettings, postgres_dsn
from tests.monitored import eventually, monitored
from triggers.installer import apply, plan_installation
from triggers.rearming import rearm

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tests.monitored import Running

CAUSE = "public.prices is another table, and not what rtp was installed on, which is gone now"
REMEDY = "Run `rtp install-triggers`, or let rtp run do so by itself (triggers.rearm)"
UNARMED = f"watch prices is not armed: {CAUSE}. {REMEDY}"


@pytest.fixture(scope="module")
def owner(shared_settings: Settings) -> Iterator[psycopg.Connection]:
    with closing(connect(postgres_dsn(shared_settings), role="test")) as connection:
        yield connection


def replace(connection: psycopg.Connection) -> None:
    """As an ETL does it, in one transaction."""
    with connection.transaction():
        connection.execute("CREATE TABLE public.new (LIKE prices INCLUDING ALL); INSERT INTO new SELECT * FROM prices")
        connection.execute("UPDATE new SET price_usd = price_usd * 2")
        connection.execute("DROP TABLE prices; ALTER TABLE new RENAME TO prices")


@dataclass(frozen=True)
class Scene:
    """What was seen while a table was replaced, and what after the triggers had been installed again."""

    told: list[str]
    armed_before: float | None
    armed: float | None
    readiness: tuple[int, Any]
    warnings: list[tuple[str, str]]
    status: Any
    own_status: list[str]
    ready_again: bool
    armed_again: float | None


@pytest.fixture(scope="module")
def scene(shared_settings: Settings, owner: psycopg.Connection) -> Scene:
    told: list[str] = []
    with monitored(shared_settings, on_problem=lambda problem: told.append(str(problem))) as running:
        armed_before = eventually(partial(running.metric, "rtp_watch_armed", watch="prices"))
        replace(owner)
        eventually(lambda: running.metric("rtp_watch_armed", watch="prices") == 0)
        readiness = running.ready()
        lenient = Monitor(
            postgres_server(shared_settings), running.pipeline, None, stalled_after_seconds=60, is_ready_unarmed=True
        )
        assert lenient.hindrances() == []
        status = as_document(inspect(owner, shared_settings.log))
        own_status = list(StatusReporter(running.pipeline).take().unarmed)
        armed = running.metric("rtp_watch_armed", watch="prices")
        warnings = [(one.reason, one.subject) for one in lenient.warnings()]
        apply(owner, plan_installation(owner, shared_settings))
        armed_again = eventually(partial(running.metric, "rtp_watch_armed", watch="prices"))
        ready_again = eventually(lambda: running.ready()[0] == 200)
    return Scene(told, armed_before, armed, readiness, warnings, status, own_status, ready_again, armed_again)


def test_one_line_names_the_watch_the_cause_and_the_remedy(scene: Scene) -> None:
    assert [line for line in scene.told if "not armed" in line] == [UNARMED]


def test_its_end_is_told(scene: Scene) -> None:
    (line,) = [line for line in scene.told if "armed again" in line]
    assert line.startswith("watch prices is armed again, after up to ")
    assert line.endswith(" s. `rtp install-triggers` has taken in what its table held by then")


def test_it_is_not_ready_and_says_why(scene: Scene) -> None:
    code, document = scene.readiness
    (reason,) = document["reasons"]
    assert code == 503
    assert datetime.fromisoformat(reason.pop("since")) <= datetime.now(UTC)
    assert reason == {"reason": "unarmed", "subject": "prices", "detail": f"{CAUSE}. {REMEDY}"}


def test_where_that_is_no_reason_it_is_a_warning(scene: Scene) -> None:
    assert scene.warnings == [("unarmed", "prices")]


def test_it_is_ready_again(scene: Scene) -> None:
    assert scene.ready_again


def test_the_metric_says_so(scene: Scene) -> None:
    assert (scene.armed_before, scene.armed, scene.armed_again) == (1, 0, 1)


def test_the_status_says_so_of_that_watch_alone(scene: Scene) -> None:
    assert [(w["watch"], w["is_armed"], w["unarmed_cause"], w["unarmed_remedy"]) for w in scene.status["watches"]] == [
        ("tvl", True, "", ""),
        ("prices", False, CAUSE, REMEDY),
        ("protocols", True, "", ""),
    ]


def test_the_processs_own_status_says_so(scene: Scene) -> None:
    assert scene.own_status == [UNARMED]


# With triggers.rearm


@dataclass(frozen=True)
class Rearmed:
    told: list[str]
    event: Any


@pytest.fixture(scope="module")
def rearmed(shared_settings: Settings, owner: psycopg.Connection) -> Rearmed:
    create_tables(owner)
    apply(owner, plan_installation(owner, shared_settings))
    owner.execute("INSERT INTO prices (chain, token, price_usd, source) VALUES ('base', 'dai', 1, 'desk')")
    settings = shared_settings.model_copy(update={"triggers": TriggerSettings(rearm=True)})
    told: list[str] = []
    with monitored(
        settings, on_problem=lambda problem: told.append(str(problem)), rearm=partial(rearm, settings)
    ) as running:
        eventually(partial(running.metric, "rtp_watch_armed", watch="prices"))
        replace(owner)
        eventually(lambda: any("armed again" in line for line in told))
        eventually(partial(delivered, running))
        event = owner.execute("SELECT entity, previous::int, current::int, reason FROM rtp.event").fetchall()
        owner.execute("ALTER TABLE prices DISABLE TRIGGER USER")
        eventually(lambda: any("are disabled" in line for line in told))
    return Rearmed(told, event)


def delivered(running: Running) -> bool:
    return all(delivery.metrics.delivered for delivery in running.pipeline.deliveries)


def test_a_replaced_table_is_watched_again_and_its_changes_are_delivered(rearmed: Rearmed) -> None:
    assert rearmed.event == [("dai", 1, 2, "deviation")]


def test_that_it_will_be_done_is_told(rearmed: Rearmed) -> None:
    assert rearmed.told[0] == f"watch prices is not armed: {CAUSE}. It is installed again now (triggers.rearm)"


def test_that_it_was_done_is_told_with_what_is_not_known(rearmed: Rearmed) -> None:
    (line,) = [line for line in rearmed.told if "armed again" in line]
    assert line.startswith("watch prices is armed again, after up to ")
    assert line.endswith(
        " s. What public.prices holds was judged; what was written and overwritten meanwhile is not known"
    )


def test_what_somebody_has_disabled_stays_disabled(rearmed: Rearmed) -> None:
    assert rearmed.told[-1].startswith("watch prices is not armed: triggers of public.prices are disabled: rtp_prices_")
