import re

import pytest

from arena.protocol import EventKind
from realm.world import CHECKOUT
from tavern.achievements import page
from tavern.home.foes import FOES, foe_of
from tavern.log_looks import LOOKS, OTHER, entry_of, looks_table
from tavern.places import PLACES
from watchtower.achievements.catalogue import ACHIEVEMENTS

GAME_ICONS = CHECKOUT / "static" / "vendor" / "game-icons"


@pytest.fixture(scope="module")
def symbols() -> set[str]:
    texts = [(GAME_ICONS / name).read_text(encoding="utf-8") for name in ("sprite.svg", "medals.svg")]
    return set(re.findall(r'<symbol id="gi-([^"]+)"', "".join(texts)))


def test_each_symbol_has_an_author(symbols: set[str]) -> None:
    text = (GAME_ICONS / "CREDITS.md").read_text(encoding="utf-8")
    credited = dict(re.findall(r"^\| ([a-z-]+) \| (\w+) \|$", text, re.MULTILINE))
    del credited["icon"]
    assert set(credited) == symbols
    assert all(author in text.split("\n\n")[1] for author in credited.values())
    assert "CC BY 3.0" in text


def test_each_icon_used_is_in_the_sprite(symbols: set[str]) -> None:
    used = {place.icon for place in PLACES}
    used |= {look.icon for look in [*LOOKS.values(), OTHER]} | {foe.glyph for foe in FOES}
    used |= {one.icon for one in ACHIEVEMENTS} | {page.SECRET_ICON}
    for template in (CHECKOUT / "templates").rglob("*.*"):
        text = template.read_text(encoding="utf-8")
        used |= set(re.findall(r'{% icon "([^"]+)"', text)) | set(re.findall(r"#gi-([a-z][a-z-]+)", text))
    assert used == symbols


def test_whatever_the_trainer_may_tell_has_a_look_of_its_own() -> None:
    assert [kind for kind in EventKind if kind not in LOOKS] == []


@pytest.mark.parametrize(
    ("kind", "data", "tone"),
    [
        ("evaluated", {"accuracy": 1.0}, "moss"),
        ("evaluated", {"accuracy": 0.8}, "moss"),
        ("evaluated", {"accuracy": 0.79}, "plain"),
        ("evaluated", {"accuracy": 0.0}, "plain"),
        ("evaluated", {}, "plain"),
        ("battle_completed", {}, "moss"),
    ],
)
def test_only_a_good_evaluation_looks_like_a_success(kind: str, data: dict[str, float], tone: str) -> None:
    event = {"seq": 1, "kind": kind, "time": 0, "step": 1, "message": "0 of 25 right", "data": data}
    assert entry_of(event).tone == tone


def test_the_browser_gets_the_same_rule() -> None:
    assert looks_table()["evaluated"] == ["bullseye", "moss", 0.8]
    assert looks_table()["battle_completed"] == ["trophy-cup", "moss", None]
    assert looks_table()[""] == [OTHER.icon, OTHER.tone, None]


def test_whatever_the_daemon_tells_has_a_look_of_its_own() -> None:
    said = re.compile(r'(?:chronicle\.)?\bsay\(\s*"([a-z_]+)"')
    sources = [path.read_text(encoding="utf-8") for path in (CHECKOUT / "arena").rglob("*.py")]
    kinds = {kind for source in sources for kind in said.findall(source)}
    assert kinds >= {"quest_arrived", "quest_refused", "order_refused"}, "the pattern finds them"
    assert kinds - set(LOOKS) == set()


def test_vendored_files_keep_their_licences() -> None:
    vendor = CHECKOUT / "static" / "vendor"
    for font in (vendor / "fonts").glob("*.woff2"):
        family = re.split(r"-latin|-\d+", font.stem)[0]
        assert "SIL OPEN FONT LICENSE" in (vendor / "fonts" / f"{family}-LICENSE").read_text(encoding="utf-8")
    for name in ("uplot", "zzfx"):
        assert "MIT" in (vendor / name / "LICENSE").read_text(encoding="utf-8")


def test_a_quest_always_meets_the_same_foe() -> None:
    assert foe_of("alpaca") == foe_of("alpaca")
    assert {foe_of(f"quest-{number}") for number in range(200)} == set(FOES)
