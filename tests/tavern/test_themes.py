"""Texts in each theme stand out from each ground: WCAG's 4.5, as ART §4.1 has measured for Lamplit."""

from __future__ import annotations

import itertools
import re

import pytest

from realm.world import CHECKOUT

SHEETS = CHECKOUT / "static" / "css"
GROUNDS = ("ink-950", "ink-900", "ink-850", "ink-800")
TEXTS = ("text", "text-dim", "text-faint", "brass", "gold", "ember", "sky", "moss", "arcane", "blood", "aged")
FAINT_ON_RAISED = ("lamplit", "text-faint", "ink-800")
"""For texts of at least 18 px alone; none is written so."""
BADGES = [
    ("moss", "good-ground"),
    ("blood", "bad-ground"),
    ("gold", "some-ground"),
    ("text", "well"),
    ("ink-950", "brass"),
]
LEAST = 4.5
LEAST_OF_BORDERS = 3.0
COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(")
DRAWN = {"realm.css", "themes.css", "stage.css", "hero.css", "heroes.css"}
"""Where tokens are, and sheets of drawings, which look alike in each theme; the admin's own is always Lamplit."""


def tokens(theme: str) -> dict[str, str]:
    text = (SHEETS / "shared" / "realm.css").read_text() + (SHEETS / "shared" / "themes.css").read_text()
    rules = re.findall(r"([^{}]*)\{([^{}]*)\}", text)
    found: dict[str, str] = {}
    for selector, body in rules:
        if ":root" in selector and ("data-theme" not in selector or f"[data-theme={theme}]" in selector):
            found |= dict(re.findall(r"--([\w-]+): (#[0-9a-fA-F]{3,6});", body))
    return found


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def faults(theme: str, found: dict[str, str]) -> list[str]:
    pairs = [*itertools.product(TEXTS, GROUNDS), *BADGES]
    pairs = [pair for pair in pairs if (theme, *pair) != FAINT_ON_RAISED]
    faint = [f"{text} on {ground}" for text, ground in pairs if contrast(found[text], found[ground]) < LEAST]
    borders = [ground for ground in GROUNDS if contrast(found["line-strong"], found[ground]) < LEAST_OF_BORDERS]
    return faint + [f"line-strong on {ground}" for ground in borders]


@pytest.mark.parametrize("theme", ["lamplit", "parchment", "contrast"])
def test_texts_and_borders_stand_out(theme: str) -> None:
    assert faults(theme, tokens(theme)) == []


def test_twin_a_text_that_is_too_faint_is_found() -> None:
    """ART's own ember of parchment, measured there on one ground alone, is too faint on two others."""
    assert faults("parchment", tokens("parchment") | {"ember": "#a8401b"}) == ["ember on ink-950", "ember on ink-800"]


def test_each_theme_says_each_token() -> None:
    own = re.findall(
        r"\[data-theme=(\w+)\][^{]*\{([^{}]*--ink-950[^{}]*)\}", (SHEETS / "shared/themes.css").read_text()
    )
    names = {theme: set(re.findall(r"--([\w-]+):", body)) for theme, body in own}
    night = re.search(r":root, \.stage \{([^{}]*)\}", (SHEETS / "shared/realm.css").read_text())
    assert night
    every = set(re.findall(r"--([\w-]+):", night[1]))
    assert names == {"parchment": every, "contrast": every}


def literals(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if COLOUR.search(line)]


def test_sheets_take_colours_from_tokens() -> None:
    sheets = [path for path in SHEETS.rglob("*.css") if path.name not in DRAWN]
    assert {path.name: found for path in sheets if (found := literals(path.read_text()))} == {}


def test_twin_a_literal_colour_is_found() -> None:
    assert literals(".a {\n  color: #fff;\n  background: var(--well);\n}\n") == ["color: #fff;"]
