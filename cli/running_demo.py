"""A running `rtp run --demo`, for the commands whose settings do not name the service that they look at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from core.errors import SettingsError, StackError

if TYPE_CHECKING:
    from core.settings.models import Settings
    from core.stack import StackAddresses

_OPTIONS = {"PostgreSQL": ("postgres.dsn", "RTP_POSTGRES_DSN"), "Redis": ("redis.url", "RTP_REDIS_URL")}


def use_demo_if_unnamed(settings: Settings, service: Literal["PostgreSQL", "Redis"]) -> Settings:
    """The settings; where they do not name the service, the running demo's, whose AWS account boto3 then uses, too.

    Raises SettingsError where no demo runs.
    """
    if settings.postgres.dsn if service == "PostgreSQL" else settings.redis.url:
        return settings
    stack = _running_stack()
    if stack is None:
        setting, variable = _OPTIONS[service]
        raise SettingsError(
            f"there is no {service} address, and no `rtp run --demo` is running",
            f"Set {variable}, {setting} or --{setting.replace('.', '-')}",
        )
    use_aws_account_of(stack)
    queues = {"endpoint_url": stack.sqs_endpoint_url, "region": stack.aws_region}
    return settings.model_copy(
        update={
            "postgres": settings.postgres.model_copy(update={"dsn": stack.postgres_dsn}),
            "redis": settings.redis.model_copy(update={"url": stack.redis_url}),
            "sqs": settings.sqs.model_copy(update=queues),
        }
    )


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


def _running_stack() -> StackAddresses | None:
    try:
        from core.stack import running_stack  # noqa: PLC0415  (not on every system)
    except (StackError, ImportError):
        return None
    return running_stack()
