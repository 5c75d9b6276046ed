"""Whether a file lies on a file system that other machines write to: neither file events nor leases tell of them."""

from __future__ import annotations

import functools
import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")  # proc(5)
REMOTE = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "davfs", "glusterfs", "fuse.glusterfs",
        "fuse.rclone", "fuse.sshfs", "fuse.s3fs", "lustre", "virtiofs", "vboxsf", "prl_fs",
    }
)  # fmt: skip


def is_remote(device: int) -> bool:
    """`device` is `st_dev` of a file there. False where the system does not tell."""
    return _types().get(f"{os.major(device)}:{os.minor(device)}") in REMOTE


@functools.lru_cache(maxsize=1)
def _types_as_of(state: bytes) -> dict[str, str]:
    found = {}
    for line in state.decode(errors="replace").splitlines():
        fields, _, described = line.partition(" - ")
        found[fields.split()[2]] = described.split()[0]
    return found


def _types() -> dict[str, str]:
    """File system types by `major:minor`."""
    try:
        return _types_as_of(_MOUNTS.read_bytes())
    except OSError:
        return {}
