"""`manage.py` with settings that cannot be: one sentence, nothing started, and what runs can still be stopped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realm.world import CHECKOUT

pytestmark = pytest.mark.slow


def manage(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REALM_")}
    environment |= {"REALM_HOME": str(home), "DJANGO_SETTINGS_MODULE": "realm.settings"} | variables
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("traning: 3", "config.yaml: unknown key 'traning'; allowed are"),
        ("training: {max_lenght: 5}", "config.yaml: training: unknown key 'max_lenght'; allowed are"),
        ("training: {mode: loar}", "config.yaml: training: mode: 'loar' is not allowed; allowed are full, lora"),
        ("training: {max_length: -1}", "config.yaml: training: max_length: -1 is too small"),
        ("autoplay: maybe", "config.yaml: autoplay: true or false is expected, not 'maybe'"),
        (
            "gatekeeper: {leaks: no}",
            "config.yaml: gatekeeper: leaks: False is not allowed; allowed are refuse, warn, allow",
        ),
        ("gatekeeper:\n\tdepth: deep", "config.yaml: not readable as YAML: line 2, column 1: "),
    ],
)
def test_nothing_starts_and_one_sentence_says_why(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    for command in (["weave", "--daemon"], ["arena"], ["quest", "list"]):
        done = manage(tmp_path, *command)
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_bad_variable_is_one_sentence_too(tmp_path: Path) -> None:
    done = manage(tmp_path, "weave", "--daemon", REALM_PORT="abc")
    assert done.stderr.strip() == "REALM_PORT: a whole number is expected, not 'abc'"


def test_stopping_needs_no_settings(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("traning: 3")
    done = manage(tmp_path, "weave", "--stop")
    assert done.returncode == 0
    assert "Nothing was running." in done.stdout
    assert "unknown key 'traning'" in done.stdout


def test_a_learning_rate_may_be_written_as_people_write_it(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("training: {learning_rate: 2e-4}")
    assert manage(tmp_path, "migrate", "-v0").returncode == 0


def test_the_arena_does_not_start_with_broken_forms(tmp_path: Path) -> None:
    assert manage(tmp_path, "migrate", "-v0").returncode == 0
    (tmp_path / "datasets.yaml").write_text("riddle: {user: riddle, asistant: solution}")
    done = manage(tmp_path, "arena")
    assert done.returncode == 1
    assert f"{tmp_path}/datasets.yaml: riddle: unknown key 'asistant'; allowed are assistant, context, " in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
