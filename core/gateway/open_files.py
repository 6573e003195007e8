"""How many connections the system lets a process have."""

from __future__ import annotations

from contextlib import suppress

_BESIDE_CONNECTIONS = 500


def allow_open_files(connections: int) -> None:
    """Raise the process's own limit, which often is 1,024, towards so many connections, as far as the system allows."""
    with suppress(ImportError, OSError, ValueError):  # not on every system; not more than allowed
        import resource  # noqa: PLC0415

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = connections + _BESIDE_CONNECTIONS
        if soft != resource.RLIM_INFINITY and soft < wanted:
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
