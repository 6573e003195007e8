"""Installing one watch again, as it is installed, and judging what its table holds: what rtp run may do by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.arming.look import read_arming
from core.errors import InstallError
from core.judging.watches import watch_as_installed
from triggers.catalog import read_triggers, read_watches
from triggers.installer import apply, count_installation, plan_watch
from triggers.needs import starts_over
from triggers.validator import read_watched, validate

if TYPE_CHECKING:
    from psycopg import Connection

    from core.settings.models import Settings
    from core.settings.watches import Watch


def rearm(settings: Settings, connection: Connection, name: str) -> str:
    """Do it, in one transaction; what it came to, as a sentence. Raises RtpError, with nothing changed.

    The watch is as rtp.watch has it, whatever the settings at hand say of it: those may not be installed.
    """
    before = next((watch for watch in read_watches(connection) if watch.name == name and not watch.is_removed), None)
    if before is None:
        raise InstallError(f"watch {name} is not installed any more")
    watch = watch_as_installed(name, before.settings)
    settings = settings.model_copy(update={"watches": {name: watch}})
    tables = read_watched(connection, settings)
    if findings := validate(connection, settings, tables):
        raise InstallError("; ".join(map(str, findings)))
    table = tables[watch.table_parts]
    step = plan_watch(
        connection,
        name,
        watch,
        table,
        settings.triggers,
        before.id,
        before,
        read_triggers(connection),
        was_blind=_may_have_missed_all(connection, name),
    )
    apply(connection, count_installation([step]))
    if starts_over(before, table, settings.triggers):
        return f"What {watch.table} holds is the baseline now; what became of the table before is not known"
    return _judged(watch)


def _may_have_missed_all(connection: Connection, name: str) -> bool:
    """Whether more may have been missed than writes to partitions that have no triggers."""
    found = (watch for watch in read_arming(connection) if watch.watch == name)
    return all(watch.is_armed or watch.may_miss_more for watch in found)


def _judged(watch: Watch) -> str:
    if not watch.has_value:
        return "What came and what went meanwhile was reported; which fields of the others changed is not known"
    if watch.is_history:
        return f"What {watch.table} holds was judged, but for samples older than the newest one known of their entity"
    return f"What {watch.table} holds was judged; what was written and overwritten meanwhile is not known"
