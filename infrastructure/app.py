"""The CDK app: `cdk deploy rtp-streams` or `cdk deploy rtp-postgres`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from aws_cdk import App, Environment, Validations
from cdk_nag import AwsSolutionsChecks

from core.errors import SettingsError
from infrastructure.deployment_file import CONTEXT, FILE
from infrastructure.plan import plan_from
from infrastructure.stacks import PostgresStack, StreamsStack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infrastructure.plan import Plan


def build(plan: Plan, app: App) -> tuple[StreamsStack, PostgresStack]:
    """Both stacks, whose names start with the deployment's; the streams' stack has the tables of the settings."""
    options = _options(plan)
    return (
        StreamsStack(app, f"{plan.name}-streams", plan, **options),
        PostgresStack(app, f"{plan.name}-postgres", plan, **options),
    )


def _options(plan: Plan) -> dict[str, Any]:
    """Only what is looked up in an account binds a stack to it; else the stack goes where `cdk deploy` is logged in."""
    is_bound = any("/stream/" not in arn for arn in plan.deployment.tables.values())
    if not is_bound:
        return {}
    ((account, region),) = plan.deployment.places
    return {"env": Environment(account=account, region=region)}


def synthesise(app: App, contexts: Iterable[Mapping[str, Any]]) -> None:
    """Synthesise what these contexts ask for, one deployment each, checked by cdk-nag. Raises SettingsError."""
    for context in contexts:
        build(plan_from(context), app)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


def main() -> None:
    """Synthesise what the context of the CDK's command line asks for."""
    app = App()
    try:
        synthesise(app, [{name: app.node.try_get_context(name) for name in (FILE, *CONTEXT)}])
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
