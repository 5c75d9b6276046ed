"""The admin in a real browser: how one gets in, each list, an action that asks, and nothing that the policy forbids."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Tavern, Visitor

LISTS = ("checkpoint", "ledger", "asset", "location", "zone", "job", "historyentry", "token")


def log_in(page: Page, password: str) -> None:
    page.get_by_label("Username").fill("keeper")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


@pytest.mark.slow
def test_a_keeper_logs_in_walks_through_all_lists_and_protects(tavern: Tavern, visitor: Visitor) -> None:
    tavern.do("begin", name="first", total=100)
    for _ in range(2):
        tavern.do("checkpoint_again", train_loss=1.5, val_loss=None)
    tavern.do("account", name="keeper", password="of the vault")
    page = visitor.page
    page.goto(f"{tavern.address}/admin/")
    expect(page.locator(".new-account")).to_contain_text("manage.py createsuperuser")
    log_in(page, "guessed")
    expect(page.locator(".errornote")).to_contain_text("enter the correct username and password")
    log_in(page, "of the vault")
    expect(page.get_by_role("heading", name="Vault and records")).to_be_visible()

    page.get_by_role("link", name="Checkpoints", exact=True).click()
    page.get_by_label("Select this object for an action - checkpoint-1-20240101-0000").check()
    page.get_by_label("Action:").select_option(label="Protect")
    page.get_by_role("button", name="Go").click()
    expect(page.locator("#what-happens")).to_contain_text("until unprotected: 1 checkpoint, 4.0 MB.")
    page.get_by_label("Note").fill("the first")
    page.get_by_role("button", name="Protect").click()
    expect(page.locator(".messagelist")).to_contain_text("Protected: checkpoint-1-20240101-0000.")
    page.get_by_role("link", name="Yes (1)").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.get_by_role("link", name="checkpoint-1-20240101-0000", exact=True).click()
    page.get_by_role("link", name="Verify").click()
    page.get_by_role("button", name="Verify").click()
    expect(page.locator(".messagelist")).to_contain_text("1 job waits for the vault")
    page.get_by_role("link", name="History").click()
    expect(page.locator("#change-history")).to_contain_text("admin")

    for name in LISTS:
        page.goto(f"{tavern.address}/admin/vault/{name}/")
        expect(page.locator("#changelist")).to_be_visible()
    page.get_by_role("link", name="Add token").click()
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator("#secret")).to_have_text(re.compile(r"rot_[\w-]{43}"))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{tavern.address}/admin/vault/checkpoint/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Log out").click()
    assert visitor.complaints == []
