import shutil
from pathlib import Path

import pytest

from guild.errors import UnknownSkill
from guild.skills import registry
from guild.skills.registry import broken_skills, get_skill, get_trainer, list_skills, read_skills
from realm.world import World

SHIPPED = registry.SKILLS_FOLDER
BIN = """
title: Binary Alchemy
description: Arithmetic in circled notation, bit by bit.
icon: poison-bottle
color: "#b99af5"
trainer: guild.trainers.binary.BinaryAlchemist
api_url: http://127.0.0.1:8090
priority: 1
quest_rows: 6000
rehearsal_share: 0.2
levels:
  - { operations: [NOT], width: 20 }
  - { operations: [AND, OR, XOR], width: 10 }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Skill files of the test's own: a small BIN and a copy of the template."""
    (tmp_path / "bin.yaml").write_text(BIN, encoding="utf-8")
    shutil.copy(SHIPPED / "_template.yaml", tmp_path / "weaving.yaml")
    return tmp_path


def test_shipped_skills_can_be_used() -> None:
    assert broken_skills() == ()
    shipped = {skill.name: skill for skill in read_skills()}
    assert shipped["bin"].title == "Binary Alchemy"
    assert shipped["bin"].api_url is None or shipped["bin"].api_url == "http://127.0.0.1:8090"


def test_a_skill_has_what_pages_show_and_trainers_ask(folder: Path) -> None:
    skill = get_skill("bin", folder)
    assert (skill.icon, skill.color, skill.max_level) == ("poison-bottle", "#b99af5", 2)
    assert (skill.api_url, skill.kind, skill.is_remote) == ("http://127.0.0.1:8090", "class", False)


def test_a_copied_template_is_a_new_skill(folder: Path) -> None:
    assert list_skills(folder) == ["bin", "weaving"]
    problem = get_trainer("weaving", folder).sample(level=1, count=1, seed=1)[0]
    assert problem.skill == "weaving"


def test_the_template_itself_is_no_skill(folder: Path) -> None:
    shutil.copy(SHIPPED / "_template.yaml", folder / "_template.yaml")
    assert list_skills(folder) == ["bin", "weaving"]


@pytest.mark.parametrize(
    ("line", "broken", "sentence"),
    [
        ("icon: poison-bottle", "icon: Poison Bottle", "icon: 'Poison Bottle' is not allowed; allowed is"),
        ('color: "#b99af5"', "color: purple", "color: 'purple' is not allowed; allowed is #"),
        ("priority: 1", "priority: -1", "priority: -1 is not allowed; allowed are 0 to 1000"),
        ("priority: 1", "priority: high", "priority: a whole number is expected, not 'high'"),
        ("quest_rows: 6000", "quest_row: 6000", "unknown key 'quest_row'; allowed are aliases, api_url, color"),
        ("quest_rows: 6000", "quest_row: 6000", "levels, lost_weight, other_skills_share, preview_share, priority"),
        ("quest_rows: 6000", "requires: { bin: 2 }", "requires: bin cannot require itself"),
        ("quest_rows: 6000", "trainer_skill: box", "trainer_skill: only a trainer of kind http has a name of its own"),
        ("quest_rows: 6000", "quest_rows: 0", "quest_rows: 0 is not allowed; allowed are 1 to 100000"),
        ("rehearsal_share: 0.2", "rehearsal_share: 1.5", "rehearsal_share: 1.5 is not allowed; allowed are 0 to 0.9"),
        ("rehearsal_share: 0.2", "rehearsal_share: .nan", "rehearsal_share: a number is expected, not NaN"),
        ("width: 20", "width: 5", "levels[0]: width: 5 bits"),
        ("title: Binary Alchemy", "title: [", "not readable as YAML"),
        ("title: Binary Alchemy", "", "key 'title' is missing"),
        ("title: Binary Alchemy", "title: A\nname: bin", "name: take this key out"),
        (
            "guild.trainers.binary.BinaryAlchemist",
            "guild.trainers.lost.Alchemist",
            "cannot be imported (No module named",
        ),
        ("guild.trainers.binary.BinaryAlchemist", "guild.trainers.binary.Lost", "has no attribute 'Lost'"),
        ("guild.trainers.binary.BinaryAlchemist", "Lost", "trainer: 'Lost' cannot be imported"),
        (
            "guild.trainers.binary.BinaryAlchemist",
            "guild.trainers.problems.to_jsonl",
            "is no class with the methods sample",
        ),
        ("guild.trainers.binary.BinaryAlchemist", "htp", "and reasoning-gym:TASK; did you mean 'http'?"),
        ("icon: poison-bottle", "icon: poison-botle", "did you mean 'poison-bottle'?"),
        ("quest_rows: 6000", "quest_rows: 6000\nquest_rows: 7", "the key 'quest_rows' stands there twice"),
        ("title: Binary Alchemy", "title: ' '", "title: a text of 1 to 60 characters is expected"),
        ("api_url: http://127.0.0.1:8090", "api_url: ftp://127.0.0.1", "api_url: 'ftp://127.0.0.1' is not allowed"),
        ("api_url: http://127.0.0.1:8090", "api_url: http://me:pw@127.0.0.1", "is not allowed; an address like"),
        ("api_url: http://127.0.0.1:8090", "api_url: http://127.0.0.1:99999", "is not allowed; an address like"),
    ],
)
def test_a_broken_skill_names_file_and_key_and_stops_no_other(
    folder: Path, line: str, broken: str, sentence: str
) -> None:
    path = folder / "bin.yaml"
    text = path.read_text(encoding="utf-8")
    assert line in text
    path.write_text(text.replace(line, broken), encoding="utf-8")

    assert list_skills(folder) == ["weaving"]
    (told,) = broken_skills(folder)
    assert told.startswith(f"{path}: ")
    assert sentence in told
    with pytest.raises(UnknownSkill, match="Skill 'bin' cannot be used: "):
        get_skill("bin", folder)


def test_a_mended_file_is_taken_without_a_restart(folder: Path) -> None:
    path = folder / "bin.yaml"
    good = path.read_text(encoding="utf-8")
    path.write_text("nonsense", encoding="utf-8")
    assert list_skills(folder) == ["weaving"]
    path.write_text(good, encoding="utf-8")
    assert list_skills(folder) == ["bin", "weaving"]


def test_a_file_name_that_cannot_name_a_skill_is_told(folder: Path) -> None:
    (folder / "bin.yaml").rename(folder / "Bin Two.yaml")
    (told,) = broken_skills(folder)
    assert "name: 'Bin Two' is not allowed; allowed is [a-z]" in told


def test_an_unknown_skill_is_answered_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(UnknownSkill, match="There is no skill 'sy'; known are: bin, weaving"):
        get_trainer("sy", folder)


def test_skills_are_asked_for_by_the_names_of_the_contract() -> None:
    from guild import skills

    assert skills.get_skill("bin").max_level == 30
    assert len(skills.get_trainer("sy").sample(level=5, count=100, seed=1)) == 100
    assert skills.list_skills() == ["bin", "sy"]


def test_a_worlds_own_skills_are_laid_over_the_shipped_ones(
    skills_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So copying the world's folder moves the game with them; the twin is another world, which has none."""
    shipped = registry.get_skill("bin")
    own = World(tmp_path / "own")
    own.create()
    text = registry.file_of("bin").read_text()
    (own.skills / "bin.yaml").write_text(text.replace(f"title: {shipped.title}", "title: My own"))
    (own.skills / "mine.yaml").write_text(text)
    monkeypatch.setenv("REALM_HOME", str(own.home))
    assert registry.get_skill("bin").title == "My own"
    assert registry.list_skills() == ["bin", "mine"]
    assert registry.file_of("mine").parent == own.skills
    monkeypatch.setenv("REALM_HOME", str(tmp_path / "other"))
    assert registry.get_skill("bin").title == shipped.title
    assert registry.list_skills() == ["bin"]
