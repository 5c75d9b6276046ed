"""A snapshot handed to restic or borg, which keep it elsewhere: encrypted, without storing anything twice."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realm.world import World
from vault import chronicle
from vault.archivist.manifest import WORLD
from vault.archivist.rules import Rules
from vault.archivist.snapshots import DAILY, RISKY_PREFIX, Snapshot
from vault.errors import VaultError

TAG = "realm"
RISKY, BY_HAND = "risky", "by-hand"
_LAST_BYTES = 600
"""Of what a program said before it failed."""
_ERROR = re.compile(r"(Fatal|[A-Za-z.]*(Error|Exception)): ")


class EngineFailed(VaultError):
    """The program could not do it; the text ends with what it said. The snapshot itself stays as it is."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    engine: str
    repository: str
    archive: str
    """As the program names it."""
    bytes_added: int
    bytes_seen: int
    seconds: float

    @property
    def sentence(self) -> str:
        return (
            f"{self.engine} keeps it as {self.archive}: {self.bytes_added:,} bytes added, {self.bytes_seen:,} seen, "
            f"in {self.seconds:.1f} s"
        )


def keep(world: World, rules: Rules, snapshot: Snapshot, *, by: str) -> Kept | None:
    """Hand it to the engine of the rules, then let that one forget by the same numbers; None for plain folders.

    A repository that does not exist yet is made. Raises EngineFailed.
    """
    if rules.engine == "folder":
        return None
    kept = _KEEP[rules.engine](rules, snapshot)
    chronicle.record(world, "copy", by=by, name=snapshot.name, engine=rules.engine, bytes=kept.bytes_added)
    return kept


def bring_back(rules: Rules, snapshot: Snapshot, path: str, into: Path) -> Path:
    """Where `path`, below the home, of that snapshot lies now, below the folder `into`, as the repository has it.

    Raises EngineFailed.
    """
    return _BRING_BACK[rules.engine](rules, snapshot, path, into)


def _keep_by_restic(rules: Rules, snapshot: Snapshot) -> Kept:
    if _run(rules, ["restic", "cat", "config"], unless="Is there a repository") is None:
        _run(rules, ["restic", "init"])
    tags = [word for tag in (TAG, _kind(snapshot), snapshot.name) for word in ("--tag", tag)]
    said = _run(rules, ["restic", "backup", "--json", *tags, str(snapshot.path.absolute())])
    told = _json_lines(said or "")
    summary = next((line for line in reversed(told) if line.get("message_type") == "summary"), None)
    if summary is None:
        raise EngineFailed("restic did not say that it was done; its repository may not have the snapshot")
    for kind, numbers in _numbers(rules).items():
        limits = [word for name, count in numbers.items() for word in (f"--keep-{name}", str(count))]
        if any(numbers.values()):
            _run(rules, ["restic", "forget", "--tag", f"{TAG},{kind}", "--group-by", "host", *limits])
    _run(rules, ["restic", "prune"])
    return Kept(
        engine="restic",
        repository=rules.repository,
        archive=str(summary["snapshot_id"])[:8],
        bytes_added=int(summary["data_added"]),
        bytes_seen=int(summary["total_bytes_processed"]),
        seconds=float(summary["total_duration"]),
    )


def _keep_by_borg(rules: Rules, snapshot: Snapshot) -> Kept:
    if _run(rules, ["borg", "info", rules.repository], unless="does not exist") is None:
        how = "repokey-blake2" if rules.password_file else "none"
        _run(rules, ["borg", "init", "--make-parent-dirs", "-e", how, rules.repository])
    place = f"{rules.repository}::{_archive(snapshot)}"
    said = _run(rules, ["borg", "create", "--json", place, "."], cwd=snapshot.path)
    archive = json.loads(said or "{}")["archive"]
    for kind, numbers in _numbers(rules).items():
        limits = [word for name, count in numbers.items() for word in (f"--keep-{name}", str(count))]
        if any(numbers.values()):
            _run(rules, ["borg", "prune", "-a", f"{TAG}-{kind}-*", *limits, rules.repository])
    _run(rules, ["borg", "compact", rules.repository])
    return Kept(
        engine="borg",
        repository=rules.repository,
        archive=_archive(snapshot),
        bytes_added=int(archive["stats"]["deduplicated_size"]),
        bytes_seen=int(archive["stats"]["original_size"]),
        seconds=float(archive["duration"]),
    )


def _bring_back_by_restic(rules: Rules, snapshot: Snapshot, path: str, into: Path) -> Path:
    place = snapshot.path.absolute() / WORLD / path
    of_it = ["--tag", f"{TAG},{snapshot.name}", "--path", str(snapshot.path.absolute())]
    _run(rules, ["restic", "restore", "latest", *of_it, "--include", str(place), "--target", str(into)])
    return into / place.relative_to("/")


def _bring_back_by_borg(rules: Rules, snapshot: Snapshot, path: str, into: Path) -> Path:
    _run(rules, ["borg", "extract", f"{rules.repository}::{_archive(snapshot)}", f"{WORLD}/{path}"], cwd=into)
    return into / WORLD / path


_KEEP: Mapping[str, Callable[[Rules, Snapshot], Kept]] = {"restic": _keep_by_restic, "borg": _keep_by_borg}
_BRING_BACK: Mapping[str, Callable[[Rules, Snapshot, str, Path], Path]] = {
    "restic": _bring_back_by_restic,
    "borg": _bring_back_by_borg,
}


def _kind(snapshot: Snapshot) -> str:
    if snapshot.reason == DAILY:
        return DAILY
    return RISKY if snapshot.reason.startswith(RISKY_PREFIX) else BY_HAND


def _archive(snapshot: Snapshot) -> str:
    return f"{TAG}-{_kind(snapshot)}-{snapshot.name}"


def _numbers(rules: Rules) -> dict[str, dict[str, int]]:
    """By kind of snapshot, what each program's forgetting takes; nothing is said of those taken by hand."""
    return {DAILY: {"daily": rules.keep_daily, "weekly": rules.keep_weekly}, RISKY: {"last": rules.keep_risky}}


def _run(rules: Rules, command: list[str], *, cwd: Path | None = None, unless: str = "") -> str | None:
    """What it wrote; None where it failed with the words `unless`. Passwords go by a file, never by its arguments."""
    try:
        done = subprocess.run(
            command, cwd=cwd, env=_environment(rules), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=rules.timeout_seconds,
        )  # fmt: skip
    except FileNotFoundError:
        raise EngineFailed(f"{command[0]} is not installed (Debian has a package of that name)") from None
    except subprocess.TimeoutExpired:
        raise EngineFailed(f"{command[0]} {command[1]} did not end within {rules.timeout_seconds:.0f} s") from None
    if done.returncode == 0:
        return done.stdout
    said = done.stderr or done.stdout
    if unless and unless in said:
        return None
    raise EngineFailed(
        f"{command[0]} {command[1]} failed, the snapshot in backups/ is whole all the same: {_gist(said)}"
    )


def _gist(said: str) -> str:
    """The line that names the error, of programs that print where in their code they met it; else the last ones."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if _ERROR.match(line)), " ".join(lines))[-_LAST_BYTES:]


def _environment(rules: Rules) -> dict[str, str]:
    own = {"RESTIC_REPOSITORY": rules.repository, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    if rules.password_file:
        own |= {
            "RESTIC_PASSWORD_FILE": rules.password_file,
            "BORG_PASSCOMMAND": f"cat {shlex.quote(rules.password_file)}",
        }
    return os.environ | own | rules.environment


def _json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
