"""Style sheets stand as cssbeautifier lays them out: one declaration a line."""

from __future__ import annotations

from pathlib import Path

import cssbeautifier
import pytest

from realm.world import CHECKOUT

SHEETS = sorted((CHECKOUT / "static/css").rglob("*.css"))


def laid_out(sheet: str) -> str:
    options = cssbeautifier.default_options()
    options.indent_size = 2
    options.selector_separator_newline = options.newline_between_rules = False
    options.end_with_newline = True
    options.max_preserve_newlines = 2
    return str(cssbeautifier.beautify(sheet, options))


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_one_declaration_a_line(path: Path) -> None:
    assert path.read_text() == laid_out(path.read_text())


def test_a_rule_in_one_line_would_be_seen() -> None:
    assert laid_out(".a { color: red; }\n") == ".a {\n  color: red;\n}\n"
