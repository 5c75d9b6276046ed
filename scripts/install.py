"""Installs a lock file and torch into the environment that runs this, and says what it does. Standard library only."""

from __future__ import annotations

import compileall
import json
import re
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote

PIP = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check")
INSTALL = (*PIP, "--no-compile")
"""pip compiles one file after the other; `compile_packages` does so on all processors."""
HASHED = ("--require-hashes", "--no-deps")
"""A lock names everything that its packages need except torch, whose file differs by machine."""
TORCH_LOCK = Path("requirements-torch.lock")
TAMPERED = re.compile(r"DO NOT MATCH THE HASHES.*?\n\s+(?P<package>\S+==\S+)", re.DOTALL)
UNHASHED = "Hashes are required in --require-hashes mode"
DRIVER = Path("/proc/driver/nvidia/version")
_FILE = re.compile(
    r"\s*(?:Downloading|Using cached|Processing) (?P<file>\S+\.(?:whl|tar\.gz|zip))"
    r"(?: \((?P<size>[\d.]+ \w+)\))?(?: \(from .*\))?"
)
_NAME = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*?)(?:-.*|\.tar\.gz|\.zip|\.whl)")
_LOUD = ("Installing", "Building", "Successfully")


def main() -> int:
    lock = sys.argv[1]
    print(f"Installing what {lock} names, each file by its hash", flush=True)
    code = _install(*HASHED, "-r", lock)
    pin = _pinned_torch()
    if code == 0 and _torch() != pin:
        print(torch_sentence(pin, _offered(pin), driver=driver()), flush=True)
        code = _install("-r", str(TORCH_LOCK))
    if code == 0:
        compile_packages(Path(sysconfig.get_path("purelib")))
    return code


def _install(*arguments: str) -> int:
    """pip's exit code. What pip complains of comes last, with a sentence on files that are not the locked ones."""
    bar = sys.stdout.isatty()
    command = [*INSTALL, "--progress-bar", "on" if bar else "off", *arguments]
    with tempfile.TemporaryFile("w+") as complaints:
        with subprocess.Popen(command, stdout=None if bar else subprocess.PIPE, stderr=complaints, text=True) as pip:
            for line in told(pip.stdout or (), time.monotonic):
                print(line, flush=True)
        complaints.seek(0)
        said = complaints.read()
    print(said, refusal(said), sep="", end="", file=sys.stderr, flush=True)
    return pip.returncode


def refusal(said: str) -> str:
    """A sentence where pip refused a file for its hash; empty where it said something else."""
    if found := TAMPERED.search(said):
        return (
            f"Refused: the file of {found['package']} is not the one that the lock names, so nothing was installed."
            " Either it was changed on its way (by a mirror, a proxy, a damaged cache), or the lock was.\n"
        )
    if UNHASHED in said:
        return "Refused: the lock names a package without its hash; scripts/lock_requirements.sh writes it anew.\n"
    return ""


def compile_packages(folder: Path) -> None:
    """Compile what is not yet, silently: some packages hold templates and old code that no Python 3 compiles."""
    print("Compiling", flush=True)
    warnings.simplefilter("ignore")
    compileall.compile_dir(folder, quiet=2, workers=0)


def _torch() -> str:
    """What is installed, as a pin without the build; empty where none is."""
    try:
        return f"torch=={metadata.version('torch').partition('+')[0]}"
    except metadata.PackageNotFoundError:
        return ""


def _pinned_torch() -> str:
    return TORCH_LOCK.read_text().strip()


def _offered(pin: str) -> dict[str, Any] | None:
    """What pip would take, as its report has it; None where it cannot say, which the installation then explains."""
    asked = [*PIP, "--quiet", "--dry-run", "--no-deps", "--ignore-installed", "--report", "-", pin]
    answer = subprocess.run(asked, capture_output=True, text=True)
    return json.loads(answer.stdout)["install"][0] if answer.returncode == 0 else None


def driver() -> str:
    """The NVIDIA driver's version; empty where none is loaded."""
    found = re.search(r"\d+\.\d+(\.\d+)*", DRIVER.read_text()) if DRIVER.exists() else None
    return found[0] if found else ""


def torch_sentence(pin: str, offered: dict[str, Any] | None, *, driver: str) -> str:
    """Which build is taken, by what it needs, and why: the lock names a version, the index a file for this machine."""
    seen = f"NVIDIA driver {driver}" if driver else "no NVIDIA driver"
    if offered is None:
        return f"torch: {pin}, as the lock pins it; pip cannot tell yet which build; {seen} here"
    needs = offered["metadata"].get("requires_dist", [])
    cuda = any(re.match(r"nvidia-|cuda-", need) for need in needs)
    file = unquote(offered["download_info"]["url"].rpartition("/")[2])
    build = "CUDA build" if cuda else "CPU build"
    outcome = {
        (True, True): "it trains on the GPU",
        (True, False): "it trains on the CPU all the same",
        (False, True): "it will not use the GPU",
        (False, False): "it trains on the CPU",
    }[cuda, bool(driver)]
    return f"torch: the {build}, since {file} is what pip has for {pin} of the lock; with {seen} here {outcome}"


def told(lines: Iterable[str], clock: Callable[[], float]) -> Iterator[str]:
    """A line for each package that pip has fetched, with its size and seconds, and what else is worth knowing."""
    fetched, since = "", clock()
    for line in map(str.rstrip, lines):
        found = _FILE.fullmatch(line)
        if fetched and (found or not line.startswith(" ")):
            yield f"{fetched}, {clock() - since:.1f} s"
            fetched = ""
        if found:
            fetched, since = _package(found["file"], found["size"]), clock()
        elif line.startswith(_LOUD):
            yield textwrap.shorten(line, 100, placeholder=" …")
    if fetched:
        yield f"{fetched}, {clock() - since:.1f} s"


def _package(file: str, size: str | None) -> str:
    path = Path(unquote(file))
    if size is None and path.exists():
        size = f"{path.stat().st_size / 1e6:.1f} MB"
    found = _NAME.fullmatch(path.name)
    name = f"{found['name']} {found['version']}" if found else path.name
    return f"  {name}, {size or 'size unknown'}"


if __name__ == "__main__":
    sys.exit(main())
