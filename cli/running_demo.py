"""A running `rtp run --demo`, for the commands whose settings do not name the service that they look at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from cli.output import print_problem
from core.errors import SettingsError, StackError
from rtp_client.redact import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.settings.models import Settings
    from core.stack import RunningStack, StackAddresses

_OPTIONS = {"PostgreSQL": ("postgres.dsn", "RTP_POSTGRES_DSN"), "Redis": ("redis.url", "RTP_REDIS_URL")}
_QUEUE = "rtp-alerts.fifo"


def use_demo_if_unnamed(settings: Settings, service: Literal["PostgreSQL", "Redis"]) -> Settings:
    """The settings; where they do not name the service, with the running demo's servers, and it is said that they are.

    Raises SettingsError where no demo runs.
    """
    if settings.postgres.dsn if service == "PostgreSQL" else settings.redis.url:
        return settings
    stacks = _running_stacks()
    if not stacks:
        setting, variable = _OPTIONS[service]
        raise SettingsError(
            f"there is no {service} address, and no `rtp run --demo` is running",
            f"Set {variable}, {setting} or --{setting.replace('.', '-')}",
        )
    return _use(stacks[0], stacks, settings)


def use_demo_if_running(settings: Settings) -> Settings:
    """The same for a command that can do without: where they name no server, and a demo runs, with its servers."""
    stacks = [] if settings.postgres.dsn or settings.redis.url else _running_stacks()
    return _use(stacks[0], stacks, settings) if stacks else settings


def use_demo_named(settings: Settings, name: str) -> Settings:
    """The settings with the servers of that one. Raises SettingsError where there is none of that name."""
    stacks = _running_stacks()
    for stack in stacks:
        if stack.name == name:
            return _use(stack, stacks, settings)
    running = f"There {'is' if len(stacks) == 1 else 'are'} {_names(stacks)}" if stacks else "None is running"
    raise SettingsError(f"option --stack: no running `rtp run --demo` is called {shown(name)!r}", running)


def _use(stack: RunningStack, among: Sequence[RunningStack], settings: Settings) -> Settings:
    from rtp_client.postgres import address  # noqa: PLC0415 - slow to import, and `--help` needs none of it

    others = f" (of {_names(among)}; --stack chooses)" if len(among) > 1 else ""
    place = address(stack.addresses.postgres_dsn)
    print_problem(f"Looking at the running `rtp run --demo` {stack.name}{others}: PostgreSQL at {place}", style="dim")
    use_aws_account_of(stack.addresses)
    return served_by(stack.addresses, settings)


def _names(stacks: Sequence[RunningStack]) -> str:
    return " and ".join(stack.name for stack in stacks)


def served_by(stack: StackAddresses, settings: Settings) -> Settings:
    """The settings with a demo's servers and pegs, and without sinks that it does not serve: those would be real."""
    from core.demo.pegs import with_demo_pegs  # noqa: PLC0415 - as above
    from core.sinks.registry import SINK_TYPES  # noqa: PLC0415 - as above

    queues = {"queue": _QUEUE, "endpoint_url": stack.sqs_endpoint_url, "region": stack.aws_region}
    served = {
        "postgres": settings.postgres.model_copy(update={"dsn": stack.postgres_dsn}),
        "redis": settings.redis.model_copy(update={"url": stack.redis_url}),
        "sqs": settings.sqs.model_copy(update=queues),
    }
    others = {sink_type.section: sink_type.model() for sink_type in SINK_TYPES if sink_type.section not in served}
    return with_demo_pegs(settings.model_copy(update=served | others))


def use_aws_account_of(stack: StackAddresses) -> None:
    """Have boto3, which asks the environment, use the demo's account, and never somebody's real one."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    os.environ |= {
        "AWS_ACCESS_KEY_ID": stack.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": stack.aws_secret_access_key,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def _running_stacks() -> Sequence[RunningStack]:
    try:
        from core.stack import running_stacks  # noqa: PLC0415  (not on every system)
    except (StackError, ImportError):
        return ()
    return running_stacks()
