"""Waiting for what Playwright has no expectation of."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

LOOKS, APART_MS = 800, 50


def wait_until(page: Page, true: Callable[[], object], *, looks: int = LOOKS) -> None:
    """For what is to be seen on the disk, or in the page by its script.

    `wait_for_function` evaluates text within the page, which the pages' content policy forbids.
    """
    for _ in range(looks):
        if true():
            return
        page.wait_for_timeout(APART_MS)
    raise AssertionError("it did not come")
