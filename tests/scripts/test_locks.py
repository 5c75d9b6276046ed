"""The locks hold what pyproject.toml asks for and all that this needs, each file by its hash; only torch has none."""

from __future__ import annotations

import re
import tomllib
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from realm.world import CHECKOUT
from scripts import install
from scripts.lock_files import LOCKS, TORCH, pins

HASHED = [lock for lock in LOCKS if lock != TORCH]
WITH_TORCH = re.compile(r"torch|triton|cuda-[a-z]+|nvidia-(?!ml-py).*")
"""What pip takes along with torch for the machine."""


def by_name(*locks: str) -> dict[str, Requirement]:
    return {pin.name: pin.requirement for pin in pins(*locks)}


def asked() -> dict[str, list[str]]:
    """What pyproject.toml asks for, by the lock that it is to stand in."""
    document = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    project, groups = document["project"], document["dependency-groups"]
    return {
        "requirements.lock": project["dependencies"] + project["optional-dependencies"]["train"],
        "requirements-test.lock": groups["test"] + groups["lint"] + groups["bench"],
        "requirements-release.lock": groups["release"],
    }


def unmet(asked: list[str], locked: Mapping[str, Requirement]) -> list[str]:
    """What no pin fits."""
    return [
        each
        for each in asked
        if (pin := locked.get(canonicalize_name(Requirement(each).name))) is None
        or not Requirement(each).specifier.contains(next(iter(pin.specifier)).version, prereleases=True)
    ]


@pytest.mark.parametrize("lock", HASHED)
def test_what_is_asked_for_is_locked_in_a_version_that_fits(lock: str) -> None:
    locked = by_name("requirements.lock", TORCH, lock)
    assert not unmet(asked()[lock], locked)
    assert unmet(["django>=99"], locked) == ["django>=99"]
    assert unmet(["not-there"], locked) == ["not-there"]


@pytest.mark.parametrize("lock", HASHED)
def test_each_package_has_hashes_and_an_exact_version(lock: str) -> None:
    for pin in pins(lock):
        assert [each.operator for each in pin.requirement.specifier] == ["=="], pin
        assert pin.hashes, pin
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in pin.hashes), pin
        assert not WITH_TORCH.fullmatch(pin.name), pin


def test_torch_alone_is_without_hashes_and_in_the_one_spelling() -> None:
    assert (CHECKOUT / TORCH).read_text() == "torch==2.13.0\n"


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_where_its_files_come_from(lock: str) -> None:
    assert not re.search(r"://|index-url|find-links|trusted-host", (CHECKOUT / lock).read_text())


def needs_without_pin(locked: Mapping[str, Requirement]) -> set[str]:
    """What packages of the locks that are installed here need in turn, and no lock names."""
    found = set()
    for name in locked:
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # a marker leaves it out here
            continue
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                found |= {canonicalize_name(need.name)} - set(locked)
    return {name for name in found if not WITH_TORCH.fullmatch(name)}


@pytest.mark.slow
def test_the_locks_hold_all_that_their_packages_need() -> None:
    locked = by_name("requirements.lock", "requirements-test.lock", TORCH)
    assert not needs_without_pin(locked)
    del locked["asgiref"]
    assert needs_without_pin(locked) == {"asgiref"}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A folder with a package of one line, as pip's only source; what is installed goes to `there`."""
    path = tmp_path / "tiny_thing-1.0-py3-none-any.whl"
    info = "tiny_thing-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny_thing.py", "answer = 42\n")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(autouse=True)
def _only_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TARGET": tmp_path / "there", "FIND_LINKS": tmp_path, "NO_INDEX": 1}.items():
        monkeypatch.setenv(f"PIP_{name}", str(value))


def installed(wheel: Path, *lines: str) -> bool:
    """Whether a lock of these lines was installed."""
    lock = wheel.parent / "some.lock"
    lock.write_text(" \\\n    ".join(lines) + "\n")
    return install._install(*install.HASHED, "-r", str(lock)) == 0 and (wheel.parent / "there").exists()


@pytest.mark.slow
def test_another_file_than_the_locked_one_is_refused_in_words(wheel: Path, capfd: pytest.CaptureFixture[str]) -> None:
    true = sha256(wheel.read_bytes()).hexdigest()
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    assert not installed(wheel, "tiny-thing==1.0", f"--hash=sha256:{true}")
    assert "Refused: the file of tiny-thing==1.0 is not the one that the lock names" in capfd.readouterr().err


@pytest.mark.slow
def test_a_package_without_its_hash_is_refused_in_words(wheel: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert not installed(wheel, "tiny-thing==1.0")
    assert "Refused: the lock names a package without its hash" in capfd.readouterr().err


@pytest.mark.slow
def test_twin_where_hashes_are_not_required_it_is_installed(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "HASHED", ("--no-deps",))
    assert installed(wheel, "tiny-thing==1.0")
