"""`manage.py evaluate CHECKPOINT`: against the base model and chance, kept as a run, by whatever host answers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from arena.management import own_oracle
from guild.models import Run
from guild.work import scorecard
from realm.oracle.sync_client import LoadedModel
from realm.world import World
from tests.guild.curriculum.test_forge import answer_to
from tests.support import fake_host, few_skills
from tests.support.checkpoints import make_checkpoint
from tests.support.fake_host import FakeHost

pytestmark = pytest.mark.django_db


def taught(model: LoadedModel, prompt: str) -> str:
    return answer_to(prompt) if model.step == 200 and prompt.startswith("NOT") else "?"


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World) -> FakeHost:
    few_skills.put(tmp_path / "few", monkeypatch)
    make_checkpoint(world.heroes, 100)
    make_checkpoint(world.heroes, 200)
    monkeypatch.setattr(own_oracle, "_why_down", lambda host: "")
    return fake_host.put(monkeypatch, FakeHost(taught))


def evaluate(*words: str) -> str:
    out = io.StringIO()
    call_command("evaluate", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def lines(*words: str) -> dict[tuple[str, int | None], Any]:
    return {(one["skill"], one["level"]): one for one in json.loads(evaluate(*words, "--json"))["lines"]}


def check_verdicts(found: dict[tuple[str, int | None], Any]) -> None:
    known, unknown, together = found["bin", 1], found["bin", 2], found["bin", None]
    assert (known["checkpoint"]["correct"], known["checkpoint"]["total"], known["base"]["correct"]) == (25, 25, 0)
    assert (known["versus_base"], known["versus_chance"]) == ("better", "better")
    assert unknown["versus_base"] == "no clear difference"
    assert together["checkpoint"]["correct"] == 25
    assert together["checkpoint"]["total"] == 50
    assert 0 < together["difference_low"] < 0.5 < together["difference_high"]


def test_a_level_that_it_was_taught_is_better_and_another_is_not() -> None:
    check_verdicts(lines("newest", "--skill", "bin", "--level", "1-2"))
    (run,) = Run.objects.all()
    assert (run.kind, run.state) == ("trial", "completed")


def test_twin_of_a_checkpoint_that_learned_nothing(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_answer", lambda model, prompt: "?")
    with pytest.raises(AssertionError):
        check_verdicts(lines("newest", "--skill", "bin", "--level", "1-2"))


def test_twin_noise_is_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorecard, "_verdict", lambda low, high, against: "better")
    with pytest.raises(AssertionError):
        check_verdicts(lines("newest", "--skill", "bin", "--level", "1-2"))


def test_it_is_named_by_step_name_or_path_and_asked_up_to_its_level(world: World) -> None:
    name = sorted(path.name for path in (world.heroes / "DIO").glob("checkpoint-200*"))[0]
    for wish in ("200", name, f"models/heroes/DIO/{name}/"):
        document = json.loads(evaluate(wish, "--json"))
        assert (document["checkpoint"], document["step"]) == (name, 200)
        assert [(one["skill"], one["level"]) for one in document["lines"]] == [("bin", 1), ("box", 1)]


def test_the_base_alone_is_held_against_chance() -> None:
    found = lines("base", "--skill", "bin", "--level", "1", "--count", "10")["bin", 1]
    assert (found["checkpoint"]["total"], found["base"], found["versus_base"]) == (10, None, None)
    assert found["versus_chance"] == "no clear difference"


def test_the_table_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = evaluate("newest", "--skill", "bin", "--level", "1-2").splitlines()
    assert max(map(len, shown[1:])) <= 80
    assert any("Chance: " in line for line in shown)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "'nothing' is no checkpoint"),
        (["all"], "Name one checkpoint"),
        (["newest", "--skill", "alchemy"], "alchemy"),
        (["newest", "--level", "9-1"], "levels '9-1' are not allowed"),
        (["newest", "--list"], "--list goes not with a CHECKPOINT"),
        (["--skill", "bin"], "--skill goes with a CHECKPOINT"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        evaluate(*words)


def test_a_remote_host_that_is_down_is_not_started_here(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.home / "hosts.yaml").write_text("far: {url: 'http://192.0.2.9:8765'}\n")
    monkeypatch.setattr(own_oracle, "_why_down", lambda host: f"Nobody answers at {host.url}.")
    monkeypatch.setattr(own_oracle, "ChildProcess", None)
    with pytest.raises(CommandError, match=r"Nobody answers at http://192\.0\.2\.9:8765"):
        evaluate("newest", "--host", "far")
