"""What scripts must not use, since a page may be open on a phone by plain http:, and logged out meanwhile."""

import re

import pytest

from realm.world import CHECKOUT

SCRIPTS = CHECKOUT / "static" / "js"
SECURE_ONLY = re.compile(r"crypto\.(randomUUID|subtle)|navigator\.serviceWorker|\bcaches\.|(?<![.\w])new Notification")
PLAIN_FETCH = re.compile(r"(?<![.\w])fetch\(")


def found(pattern: re.Pattern[str], text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("//") and pattern.search(line)]


@pytest.mark.parametrize("pattern", [SECURE_ONLY, PLAIN_FETCH])
def test_no_script_but_the_shared_ones_does_so(pattern: re.Pattern[str]) -> None:
    texts = {path.name: path.read_text() for path in SCRIPTS.rglob("*.js") if path.name != "logged_out.js"}
    assert {name: lines for name, text in texts.items() if (lines := found(pattern, text))} == {}


@pytest.mark.parametrize(
    ("pattern", "line"),
    [(SECURE_ONLY, "this.key = crypto.randomUUID();"), (PLAIN_FETCH, "await (await fetch(address)).text()")],
)
def test_twin_a_line_that_does_is_found(pattern: re.Pattern[str], line: str) -> None:
    assert found(pattern, line) == [line]
