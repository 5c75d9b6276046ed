"""Whether others on this machine can read secrets or change what the realm obeys, and whether all is ours."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from arena import status as arena_status
from realm.weaver.supervisord import SOCKET_FILE
from realm.world import World
from sentinels.inspector.finding import Finding, Patrolled, named, ok, trouble, warning
from vault.jobs import status as vault_status

OTHERS_WRITE = stat.S_IWOTH
OTHERS_AND_GROUP = stat.S_IRWXG | stat.S_IRWXO
NOT_OURS_TO_WRITE = stat.S_IWGRP | stat.S_IWOTH
MOST_FOREIGN = 200
_UMASK = re.compile(rb"^Umask:\s*([0-7]+)$", re.MULTILINE)


def look(patrolled: Patrolled) -> Iterator[Finding]:
    world = patrolled.world
    found = [*_secrets(world), *_folders(world), *_socket(world), *_owners(world), *_umasks(world)]
    yield from found or [ok("permissions", "secrets are ours alone, and nobody else can change this world")]


def _secrets(world: World) -> Iterator[Finding]:
    paths = [world.secrets, *(world.secrets.rglob("*") if world.secrets.is_dir() else ())]
    if open_ones := [path for path in paths if _mode(path) & OTHERS_AND_GROUP]:
        names = named(path.relative_to(world.home).as_posix() for path in open_ones)
        remedy = f"`chmod -R go= {shlex.quote(str(world.secrets))}`"
        yield trouble("secrets", f"others on this machine may reach {names}", remedy, path=world.secrets)


def _folders(world: World) -> Iterator[Finding]:
    if _mode(world.home) & OTHERS_WRITE:
        remedy = f"`chmod o-w {shlex.quote(str(world.home))}`"
        yield trouble("world", "everybody on this machine may write into its folder", remedy, path=world.home)
    for folder in (world.control, world.status, world.heroes):
        if _mode(folder) & NOT_OURS_TO_WRITE:
            sentence = f"others may write into {folder.relative_to(world.home)}/, whose files the realm believes"
            yield trouble(folder.name, sentence, f"`chmod go-w {shlex.quote(str(folder))}`", path=folder)


def _socket(world: World) -> Iterator[Finding]:
    path = world.control / SOCKET_FILE
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode) and path.stat().st_mode & OTHERS_AND_GROUP:
        remedy = f"`chmod 600 {shlex.quote(str(path))}`"
        yield trouble("weaver's socket", "others on this machine may order services by it", remedy, path=path)


def _mode(path: Path) -> int:
    """0 of what is gone and of links, whose own permissions mean nothing."""
    try:
        facts = path.lstat()
    except OSError:
        return 0
    return 0 if stat.S_ISLNK(facts.st_mode) else stat.S_IMODE(facts.st_mode)


def _owners(world: World) -> Iterator[Finding]:
    """A realm that was started as root once leaves files that it cannot write as anybody else."""
    me = os.geteuid()
    foreign = []
    for path in _shallow(world.home, levels=3):
        try:
            if path.lstat().st_uid != me:
                foreign.append(path.relative_to(world.home).as_posix())
        except OSError:
            continue
        if len(foreign) >= MOST_FOREIGN:
            break
    if foreign:
        remedy = f"`sudo chown -R {me} {shlex.quote(str(world.home))}`"
        yield trouble("owner", f"of another user: {named(foreign)}", remedy, path=world.home)


def _shallow(folder: Path, *, levels: int) -> Iterator[Path]:
    """What lies in it, so many levels deep; links are named and not followed."""
    yield folder
    try:
        entries = list(os.scandir(folder)) if levels else []
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _shallow(Path(entry.path), levels=levels - 1)
        else:
            yield Path(entry.path)


def _umasks(world: World) -> Iterator[Finding]:
    """Of daemons that live: what they write anew gets its permissions by it."""
    arena, vault = arena_status.read_status(world), vault_status.read(world)
    pids = {"arena": arena.pid if arena.alive else None, "vault": vault.pid}
    loose = [name for name, pid in pids.items() if pid and _umask(pid) & OTHERS_WRITE == 0]
    if loose:
        sentence = f"{named(loose)} makes files that everybody may write to"
        yield warning("umask", sentence, "`umask 077` before starting it, or `scripts/start_all.sh`, which does")


def _umask(pid: int) -> int:
    """As if strict where the process does not tell."""
    try:
        found = _UMASK.search(Path(f"/proc/{pid}/status").read_bytes())
    except OSError:
        found = None
    return int(found[1], 8) if found else 0o077
