"""Which services of a world have logged, and in which files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from realm.logs.daily_file import SUFFIX, rotated_files
from realm.world import World


class NoSuchLog(LookupError):
    """Nothing of that name has logged; the text says what has."""


@dataclass(frozen=True)
class Source:
    """What one service wrote: JSON lines, and what its console was when it had no others to write."""

    service: str
    folder: Path

    def files(self, *, console: bool = False) -> list[Path]:
        """The oldest first. Of a service without JSON lines what its console said."""
        if not console and (lines := self._lines()):
            return lines
        name = self.service.rpartition(".")[2]
        older = [path for path in self.folder.glob(f"{name}.log.*") if path.suffix[1:].isdigit()]
        older.sort(key=lambda path: -int(path.suffix[1:]))
        return [path for path in (*older, self.folder / f"{name}.log") if _is_log(path)]

    @property
    def size_bytes(self) -> int:
        total = 0
        for path in {*self._lines(), *self.files(console=True)}:
            with suppress(OSError):
                total += path.stat().st_size
        return total

    def _lines(self) -> list[Path]:
        newest = self.folder / f"{self.service}{SUFFIX}"
        found = [*rotated_files(self.folder, self.service), *([newest] if _is_log(newest) else [])]
        return [path for path in found if _is_log(path)]


def sources(world: World) -> dict[str, Source]:
    """By service, in alphabetical order; `tasks.backup` is `backup.log` in the folder of `tasks`."""
    return {source.service: source for source in sorted(_found(world.logs), key=lambda source: source.service)}


def source_of(world: World, service: str) -> Source:
    """Raises NoSuchLog."""
    known = sources(world)
    if service not in known:
        raise NoSuchLog(f"{service[:80]!r} has not logged anything; {', '.join(known) or 'nothing'} has")
    return known[service]


def _found(logs: Path) -> Iterator[Source]:
    for path in filter(_is_log, logs.glob("*.log")):
        yield Source(path.stem, logs)
    for folder in logs.glob("*/"):
        if any(map(_is_log, folder.glob(f"{folder.name}*{SUFFIX}"))) or _is_log(folder / f"{folder.name}.log"):
            yield Source(folder.name, folder)
        for path in filter(_is_log, folder.glob("*.log")):
            if path.stem != folder.name:
                yield Source(f"{folder.name}.{path.stem}", folder)


def _is_log(path: Path) -> bool:
    """No link: whoever may read logs reads nothing else, whatever lies in a world that came from elsewhere."""
    return path.is_file() and not path.is_symlink()
