"""Memory that the process may take: what is free, and what the system, a control group or `ulimit -v` allows."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
_FILES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))  # of version 2 and 1
_CACHE = ("inactive_file", "total_inactive_file")  # pages of files, which the system gives back first


def physical_memory() -> int:
    """Bytes of memory that the machine has, or that a control group of the process allows."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([total, *(limit for limit, _ in group_limits())])


def free_memory() -> int:
    """Bytes that the process can still take: the least of free memory, `ulimit -v` and its control groups."""
    rooms = [limit - used for limit, used in group_limits()]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        rooms.append(soft - (_kib(Path("/proc/self/status"), "VmSize") or 0))
    available = _kib(Path("/proc/meminfo"), "MemAvailable")
    return max(0, min([physical_memory(), *rooms, *([] if available is None else [available])]))


def group_limits(groups: Path | None = None, own: Path | None = None) -> Iterator[tuple[int, int]]:
    """Limit and use, in bytes, of each control group that the process is in and that has a limit, parents included."""
    groups = groups or GROUPS
    try:
        lines = (own or OWN_GROUPS).read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = groups / "memory" if controllers else groups
        below = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(below) + 1):  # the mount itself is the group of a container, which has no others
            limit = _limit(root.joinpath(*below[:depth]))
            if limit is not None:
                yield limit


def _limit(folder: Path) -> tuple[int, int] | None:
    """Limit and use of one group; None where it has no limit."""
    for limit_name, use_name in _FILES:
        limit, used = (_number(folder / name) for name in (limit_name, use_name))
        if limit is not None:
            return limit, max(0, (used or 0) - _cache(folder / "memory.stat"))
    return None


def _cache(path: Path) -> int:
    try:
        values = dict(line.split()[:2] for line in path.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return max(int(values.get(name, 0)) for name in _CACHE)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _kib(path: Path, key: str) -> int | None:
    """Bytes of an entry that a file of /proc gives in KiB; None where there is none."""
    try:
        return int(path.read_text().split(f"{key}:")[1].split()[0]) * 2**10
    except (OSError, IndexError, ValueError):
        return None
