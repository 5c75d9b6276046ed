import shutil
from pathlib import Path

import pytest

from guild import skills
from guild.errors import UnknownSkill
from guild.skills import broken_skills, get_skill, get_trainer, list_skills

SHIPPED = skills.SKILLS_FOLDER
SPRITE = SHIPPED.parent.parent / "static" / "vendor" / "game-icons" / "sprite.svg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Skill files of the test's own: BIN and a copy of the template."""
    shutil.copy(SHIPPED / "bin.yaml", tmp_path / "bin.yaml")
    shutil.copy(SHIPPED / "_template.yaml", tmp_path / "weaving.yaml")
    return tmp_path


def test_bin_is_shipped_whole() -> None:
    skill = get_skill("bin")
    assert (skill.name, skill.title, skill.max_level) == ("bin", "Binary Alchemy", 3)
    assert (skill.api_url, skill.evaluation_problems, skill.quest_rows) == (None, 25, 6000)
    assert broken_skills() == ()


def test_icons_of_shipped_skills_are_in_the_sprite() -> None:
    for skill in list_skills():
        assert f'id="gi-{skill.icon}"' in SPRITE.read_text(encoding="utf-8")


def test_a_copied_template_is_a_new_skill(folder: Path) -> None:
    assert [skill.name for skill in list_skills(folder)] == ["bin", "weaving"]
    problem = get_trainer("weaving", folder).sample(level=1, count=1, seed=1)[0]
    assert problem.skill == "weaving"


def test_the_template_itself_is_no_skill() -> None:
    assert [skill.name for skill in list_skills()] == ["bin"]


@pytest.mark.parametrize(
    ("line", "broken", "sentence"),
    [
        ("icon: poison-bottle", "icon: Poison Bottle", "icon: 'Poison Bottle' is not allowed; allowed is"),
        ('color: "#b99af5"', "color: purple", "color: 'purple' is not allowed; allowed is #"),
        ("priority: 1", "priority: -1", "priority: -1 is not allowed; allowed are 0 to 1000"),
        ("priority: 1", "priority: high", "priority: a whole number is expected, not 'high'"),
        ("quest_rows: 6000", "quest_row: 6000", "unknown key 'quest_row'; allowed are api_url, color"),
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
        ("guild.trainers.binary.BinaryAlchemist", "guild.problems.to_jsonl", "to_jsonl() takes 1 positional argument"),
    ],
)
def test_a_broken_skill_names_file_and_key_and_stops_no_other(
    folder: Path, line: str, broken: str, sentence: str
) -> None:
    path = folder / "bin.yaml"
    text = path.read_text(encoding="utf-8")
    assert line in text
    path.write_text(text.replace(line, broken), encoding="utf-8")

    assert [skill.name for skill in list_skills(folder)] == ["weaving"]
    (told,) = broken_skills(folder)
    assert told.startswith(f"{path}: ")
    assert sentence in told
    with pytest.raises(UnknownSkill, match="Skill 'bin' cannot be used: "):
        get_skill("bin", folder)


def test_a_mended_file_is_taken_without_a_restart(folder: Path) -> None:
    path = folder / "bin.yaml"
    good = path.read_text(encoding="utf-8")
    path.write_text("nonsense", encoding="utf-8")
    assert [skill.name for skill in list_skills(folder)] == ["weaving"]
    path.write_text(good, encoding="utf-8")
    assert [skill.name for skill in list_skills(folder)] == ["bin", "weaving"]


def test_a_file_name_that_cannot_name_a_skill_is_told(folder: Path) -> None:
    (folder / "bin.yaml").rename(folder / "Bin Two.yaml")
    (told,) = broken_skills(folder)
    assert "name: 'Bin Two' is not allowed; allowed is [a-z]" in told


def test_an_unknown_skill_is_answered_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(UnknownSkill, match="There is no skill 'sy'; known are: bin, weaving"):
        get_trainer("sy", folder)
