"""Commands as bytes, by hiredis alone: redis-py looks at each argument before, and takes twice as long."""

from __future__ import annotations

from typing import Any

import hiredis


class Packer:
    """The `command_packer` of a connection."""

    def pack(self, name: str | bytes, *arguments: Any) -> list[bytes]:
        """A command; several words in its name are several arguments."""
        return [hiredis.pack_command((*name.split(), *arguments))]
