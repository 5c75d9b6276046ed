"""The armory in a real browser: what is typed is answered, refused beside its field, asked about; looks last."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Tavern, Visitor

pytestmark = pytest.mark.slow

STYLED = "node => { node.style.caretColor = 'red'; node.style.caretColor = '' }"
"""As a browser's tools do it: an empty `style` stays, and htmx would write it to the row that comes next."""


def test_settings_are_found_changed_refused_and_asked_about(tavern: Tavern, visitor: Visitor) -> None:
    tavern.do("status", state="idle")
    page = visitor.page
    page.goto(f"{tavern.address}/settings")
    page.get_by_label("Search").fill("training.learning_rate")
    expect(page.locator(".setting:visible")).to_have_count(1)
    row = page.locator("#training-learning_rate")
    expect(row.get_by_role("button", name="Save")).to_be_hidden()
    row.get_by_label("training.learning_rate").fill("20")
    row.get_by_role("button", name="Save").click()
    expect(row.get_by_role("alert")).to_contain_text("the most allowed is 10")
    row.get_by_label("training.learning_rate").fill("3e-4")
    row.get_by_role("button", name="Save").click()
    expect(row.get_by_role("status")).to_contain_text("takes effect with the next battle")
    row.get_by_role("button", name=re.compile("^Undo")).click()
    expect(row).not_to_contain_text("changed")
    page.get_by_label("Search").fill("training.max_length")
    row = page.locator("#training-max_length")
    row.get_by_label("training.max_length").fill("512")
    row.get_by_label("training.max_length").press("Enter")
    expect(row.get_by_role("alert")).to_contain_text("rows of 512 tokens in place of 256")
    field = row.get_by_label("training.max_length")
    for text in ("513", "514"):
        field.evaluate(STYLED)
        field.fill(text)
        field.press("Enter")
        expect(row.get_by_role("alert")).to_contain_text(f"rows of {text} tokens")
        expect(field).to_have_value(text)
        expect(row).not_to_have_class(re.compile("htmx"))
        if text == "513":
            assert visitor.complaints == []
            page.evaluate("htmx.config.attributesToSettle.push('style')")
    assert "inline style" in visitor.complaints.pop(), "twin: the policy forbids it"
    page.get_by_label("Model, or whole path").fill("Llama-3.1-70B")
    expect(page.locator(".cards .verdict", has_text="does not fit")).to_have_count(11)
    page.get_by_label("Theme").select_option("parchment")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(42, 32, 24)"
    page.get_by_role("button", name="Keep these looks").click()
    page.goto(f"{tavern.address}/no-such-page")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    page.goto(f"{tavern.address}/settings")
    page.get_by_label("Theme").select_option("lamplit")
    page.get_by_role("button", name="Keep these looks").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "lamplit")
    assert [one for one in visitor.complaints if "404" not in one] == []
