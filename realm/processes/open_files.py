"""As many connections as the machine grants: one visitor who opens sockets uses up a shell's own 1,024."""

from __future__ import annotations

import resource
from contextlib import suppress

MOST = 65_536


def raise_limit() -> None:
    """To what this process may have without asking, MOST at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MOST if hard == resource.RLIM_INFINITY else min(MOST, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
