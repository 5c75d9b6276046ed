"""The place that the realm runs in: line ends, a broken .venv, what the shell has set for other programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.db import OperationalError

from arena.daemon.trainer.process import TrainerProcess
from realm.config import RealmConfig
from realm.databases.unready import sentence
from realm.weaver import verbs
from realm.weaver.services import TAVERN
from realm.web import outbound
from realm.world import CHECKOUT, World
from tests.support.servers import manage

pytestmark = pytest.mark.slow
WORLD = "/a/world"
PRINTS_ENVIRONMENT = "import os, sys; print(dict(os.environ), file=sys.stderr)"


def git(*arguments: str | Path) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("attributes", [True, False], ids=["with", "twin"])
def test_scripts_keep_unix_line_ends_in_a_clone_made_for_windows(tmp_path: Path, *, attributes: bool) -> None:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    shutil.copytree(CHECKOUT / "scripts", origin / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    if attributes:
        shutil.copy(CHECKOUT / ".gitattributes", origin)
    git("init", "-q", origin)
    git("-C", origin, "add", "-A")
    git("-C", origin, "commit", "-qm", "all")
    git("clone", "-q", "-c", "core.autocrlf=true", origin, clone)
    assert (b"\r" in (clone / "scripts" / "start_all.sh").read_bytes()) is not attributes


@pytest.fixture
def upgraded(tmp_path: Path) -> Path:
    """A checkout whose interpreter was taken away by an upgrade; the stamp of what was installed is still there."""
    shutil.copytree(CHECKOUT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "scripts" / "install.py").write_text("print('installed')")
    (tmp_path / "requirements.lock").write_text("")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "python3"):
        (tmp_path / ".venv" / "bin" / name).symlink_to("/usr/bin/python3.0-that-was-removed")
    stamp = "cat requirements.lock requirements.lock | cksum >.venv/requirements.lock.installed"
    subprocess.run(["bash", "-c", stamp], cwd=tmp_path, check=True)
    return tmp_path


def ensure(checkout: Path, sabotage: str = "") -> subprocess.CompletedProcess[str]:
    script = f"set -euo pipefail; . scripts/environment.sh; {sabotage} ensure_environment requirements.lock"
    return subprocess.run(["bash", "-c", script], cwd=checkout, capture_output=True, text=True)


def test_a_broken_environment_is_made_anew(upgraded: Path) -> None:
    told = ensure(upgraded)
    assert told.returncode == 0, told.stderr
    assert ".venv is broken: it is made anew" in told.stdout
    assert told.stdout.rstrip().endswith("installed")
    assert subprocess.run([upgraded / ".venv" / "bin" / "python", "-c", ""]).returncode == 0


def test_twin_without_trying_the_interpreter_it_stays_broken(upgraded: Path) -> None:
    assert ensure(upgraded, "environment_runs() { true; };").stdout == ""
    assert not (upgraded / ".venv" / "bin" / "python").exists()


def test_stopping_without_an_environment_claims_nothing_of_what_runs(upgraded: Path, tmp_path: Path) -> None:
    environment = os.environ | {"REALM_HOME": str(tmp_path / "world")}
    told = subprocess.run(["scripts/stop_all.sh"], cwd=upgraded, env=environment, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert "no supervisor of this world lives" in told.stdout


def test_stopping_without_an_environment_ends_the_supervisor_that_lives(upgraded: Path, tmp_path: Path) -> None:
    control = tmp_path / "world" / "control"
    control.mkdir(parents=True)
    stand_in = subprocess.Popen(["bash", "-c", "exec -a 'python -m supervisor.supervisord' sleep 60"])
    try:
        (control / "weaver.pid").write_text(f"{stand_in.pid}\n")
        environment = os.environ | {"REALM_HOME": str(tmp_path / "world")}
        stopping = subprocess.Popen(["scripts/stop_all.sh"], cwd=upgraded, env=environment, stdout=subprocess.PIPE)
        assert stand_in.wait(timeout=30) != 0
        out, _ = stopping.communicate(timeout=30)
        assert f"process {stand_in.pid}" in out.decode()
    finally:
        stand_in.kill()


@pytest.mark.parametrize("command", [("quest", "list"), ("battle", "status")], ids=" ".join)
def test_a_command_in_a_world_that_was_never_started_is_a_sentence(tmp_path: Path, command: tuple[str, ...]) -> None:
    """The shell has a variable of another Django project set, which decides nothing here."""
    said = manage(World(tmp_path / "world"), *command, DJANGO_SETTINGS_MODULE="another.project")
    assert said.returncode == 1
    assert said.stderr.startswith("this world was not started yet: scripts/start_all.sh")
    assert len(said.stderr.splitlines()) == 1


@pytest.mark.django_db
def test_a_database_of_this_release_is_not_told_as_one_that_is_missing() -> None:
    """The twin: what went wrong is said, not what usually does."""
    assert "no such column" in sentence(OperationalError("no such column: x"))


def test_a_trainer_inherits_no_rank_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "ACCELERATE_USE_FSDP"):
        monkeypatch.setenv(name, "of somebody else")
    ended = threading.Event()
    trainer = TrainerProcess(World(tmp_path), ended.set, (sys.executable, "-c", PRINTS_ENVIRONMENT))
    trainer.start()
    assert ended.wait(timeout=30)
    trainer.shut_down()
    assert "PATH" in trainer.last_lines()
    assert "of somebody else" not in trainer.last_lines()


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "healthy", "service": TAVERN, "world": WORLD}).encode())

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


def test_a_proxy_never_stands_between_the_world_and_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = RealmConfig(port=server.server_port)
        assert verbs._answers(World(Path(WORLD)), config)
        with pytest.raises(urllib.error.URLError):  # the twin: a client that goes by the environment
            urllib.request.build_opener().open(f"{verbs.address(config)}health")
        assert outbound.ask_once(verbs.address(config), "GET", "/health", seconds=5, largest_bytes=200).status == 200
        server.shutdown()
