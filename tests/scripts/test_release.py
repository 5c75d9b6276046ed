"""What a release refuses, what its archive holds, and the one line of each of make's targets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from realm.world import CHECKOUT
from scripts import audit, licenses
from scripts.lock_files import pins

VERSION = "0.2.0"
THIRD_PARTY = (CHECKOUT / "licenses" / "THIRD_PARTY.txt").read_text()


def git(folder: Path, *arguments: str, **variables: str) -> str:
    named = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    command = ["git", "-C", str(folder), *named, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | variables).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small repository that is ready to be released; its checks and tools stand in, and each says its name."""
    folder = tmp_path / "realm"
    (folder / "scripts").mkdir(parents=True)
    for name in ("release.sh", "archive.sh"):
        shutil.copy(CHECKOUT / "scripts" / name, folder / "scripts")
    shutil.copy(CHECKOUT / ".gitattributes", folder)
    (folder / "scripts" / "environment.sh").touch()
    for name in ("test.sh", "licenses.sh"):
        (folder / "scripts" / name).write_text(f"#!/bin/sh\necho {name} ran\n")
        (folder / "scripts" / name).chmod(0o755)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    bill = python.with_name("cyclonedx-py")
    bill.write_text("#!/bin/sh\ncat >/dev/null\n")  # who writes to it must not find it gone
    bill.chmod(0o755)
    (folder / ".gitignore").write_text("/.venv/\n/dist/\n")
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{VERSION}"\n')
    (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n## {VERSION}, 2026-12-01\n\n- A change.\n")
    (folder / "licenses").mkdir()
    (folder / "licenses" / "THIRD_PARTY.txt").write_text("a 1: MIT\n")
    for lock in ("requirements.lock", "requirements-torch.lock"):
        (folder / lock).write_text("a==1\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")
    return folder


def release(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    named = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["bash", str(checkout / "scripts" / "release.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | named)


@pytest.mark.slow
def test_a_release_is_an_archive_with_its_papers_and_a_tag(checkout: Path) -> None:
    done = release(checkout, VERSION)
    assert done.returncode == 0, done.stderr
    assert "test.sh ran" in done.stdout
    name = f"realm-of-training-{VERSION}"
    with tarfile.open(checkout / "dist" / f"{name}.tar.gz") as file:
        held = set(file.getnames())
    assert {f"{name}/pyproject.toml", f"{name}/scripts/release.sh"} <= held
    assert not [each for each in held if "/.git/" in each or "/.venv" in each]
    sums = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=checkout / "dist", capture_output=True, text=True)
    assert f"{name}.tar.gz: OK" in sums.stdout
    assert git(checkout, "cat-file", "-t", f"v{VERSION}").strip() == "tag"
    assert "test.sh ran" not in release(checkout, VERSION, "--skip-tests").stdout


def make_dirty(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text("changed")


def forget_heading(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text("# Changelog\n\n## 0.1.0\n")
    git(checkout, "commit", "-qam", "forgotten")


def leave_unreleased(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text(f"## {VERSION} (unreleased), newest first\n")
    git(checkout, "commit", "-qam", "unreleased")


def tag(checkout: Path) -> None:
    git(checkout, "tag", "-am", "x", f"v{VERSION}")


def change_licences(checkout: Path) -> None:
    (checkout / "scripts" / "licenses.sh").write_text("#!/bin/sh\necho new >licenses/THIRD_PARTY.txt\n")
    git(checkout, "commit", "-qam", "licences")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "version", "reason"),
    [
        (make_dirty, VERSION, "not committed"),
        (forget_heading, VERSION, "no heading for 0.2.0"),
        (leave_unreleased, VERSION, "unreleased"),
        (tag, VERSION, "a tag v0.2.0 already"),
        (change_licences, VERSION, "out of date"),
        (lambda _: None, "0.3.0", "another version"),
        (lambda _: None, "next", "give a version"),
        (lambda _: None, "", "give a version"),
    ],
)
def test_no_release_of_what_is_not_ready(checkout: Path, spoil: object, version: str, reason: str) -> None:
    assert callable(spoil)
    spoil(checkout)
    done = release(checkout, version, "--skip-tests")
    assert done.returncode == 1
    assert done.stderr.startswith("No release: ")
    assert reason in done.stderr
    assert not (checkout / "dist").exists()


@pytest.mark.slow
def test_the_same_commit_gives_the_same_bytes_wherever_it_is_checked_out(checkout: Path, tmp_path: Path) -> None:
    """Times of files, the user's umask and settings of git do not enter."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", str(checkout), str(clone))
    git(clone, "config", "tar.umask", "0077")
    for folder in (checkout, clone):
        script = f"umask {'077' if folder == clone else '022'}; scripts/archive.sh ../{folder.name}.tar.gz realm-1"
        subprocess.run(["bash", "-c", script], cwd=folder, check=True)
    assert (tmp_path / "realm.tar.gz").read_bytes() == (tmp_path / "clone.tar.gz").read_bytes()


def test_each_target_of_make_is_one_line_over_a_script() -> None:
    for target, part in {
        "build": "ensure_environment requirements.lock",
        "test": "scripts/test.sh",
        "bench": "scripts/bench.sh",
        "release VERSION=0.2.0": 'scripts/release.sh "0.2.0"',
        "install UNITS=/there": 'manage.py weave --user --systemd "/there"',
    }.items():
        command = ["make", "-n", "--no-print-directory", *target.split()]
        said = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.splitlines()
        assert part in said[-1]
        assert len(said) == (2 if target.startswith("install") else 1)


def test_each_locked_package_is_named_with_its_licence() -> None:
    lines = {line[2:].partition(":")[0]: line for line in THIRD_PARTY.splitlines() if line[:2] in ("* ", "? ", "  ")}
    for pin in pins():
        line = lines[f"{pin.name} {pin.version}"]
        assert bool(licenses.COPYLEFT.search(line)) == line.startswith("*"), line


def test_what_asks_for_its_own_terms_is_marked() -> None:
    pin = next(pins("requirements-torch.lock"))
    assert licenses._line(pin, {"License": "BSD-3-Clause"}).startswith("  torch")
    assert licenses._line(pin, {"License": "GPL-3.0-or-later"}).startswith("* torch")
    assert licenses._line(pin, {}).startswith("? torch")


def test_works_that_lie_here_come_with_their_texts() -> None:
    for path in ("static/vendor/uplot/LICENSE", "guild/trainers/data/LICENCES.txt"):
        assert (CHECKOUT / path).read_text().strip() in THIRD_PARTY


def test_a_vulnerability_is_named_with_the_release_that_mends_it() -> None:
    found = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    report = json.dumps({"dependencies": [found, {"name": "b", "version": "1", "vulns": []}]})
    assert list(audit.vulnerabilities(report)) == ["a 1: CVE-1, mended in 2"]
    with pytest.raises(ValueError, match="Expecting"):
        list(audit.vulnerabilities(""))
