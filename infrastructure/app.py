"""The CDK app: `cdk deploy rtp-streams` or `cdk deploy rtp-postgres`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from infrastructure.plan import CONTEXT, plan_from
from infrastructure.stacks import PostgresStack, StreamsStack

if TYPE_CHECKING:
    from infrastructure.plan import Plan


def build(plan: Plan, app: App) -> tuple[StreamsStack, PostgresStack]:
    """Both stacks; the streams' stack has as many tables as the settings name."""
    return StreamsStack(app, "rtp-streams", plan), PostgresStack(app, "rtp-postgres", plan)


def main() -> None:
    """Synthesise what the context asks for, checked by cdk-nag."""
    app = App()
    build(plan_from({name: app.node.try_get_context(name) for name in CONTEXT}), app)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


if __name__ == "__main__":
    main()
