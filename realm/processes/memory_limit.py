"""A bound on the memory of this process, so that what it is given to read cannot take the machine's."""

from __future__ import annotations

import resource


def limit_memory(most_bytes: int) -> None:
    """Refuse this process more than `most_bytes` of memory that it could write to; files mapped to read do not count.

    Python then raises MemoryError; what is not Python aborts the process.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
