"""How many connections the system lets a process have."""

from __future__ import annotations

_BESIDE_CONNECTIONS = 500


def allow_open_files(connections: int) -> str | None:
    """Raise the process's own limit, often 1,024, for so many connections. Where that is not allowed: what to do."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return None
    wanted = connections + _BESIDE_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return None
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most == wanted:
        return None
    return (
        f"serve.limits.connections: the system allows this process {most:,} open files, too few for {connections:,}"
        " connections. Raise its limit (ulimit -n, LimitNOFILE), or lower serve.limits.connections"
    )
