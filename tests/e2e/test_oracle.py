"""The oracle in a browser: a real inference host with the embedded hero, and one that says what the test wants."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from realm.world import CHECKOUT
from tests.e2e.conftest import Tavern, Visitor
from tests.support.servers import answers, free_port, wait_until
from tests.support.stub_host import Raw, Stub, chunk, events, realm_model, spoken, stub_host, witness
from tests.support.tavern_quests import HOSTILE

M1000 = realm_model(1000)
CHAT = "POST /v1/chat/completions"
TIMEOUT_MS = 60_000


@pytest.fixture
def stub() -> Iterator[Stub]:
    with stub_host() as running:
        running.replies |= {
            "GET /health": (200, {"status": "healthy"}),
            "GET /models/info": (200, {"models": [M1000], "available": []}),
            CHAT: spoken(M1000, "For", "ty", "-two"),
        }
        yield running


@pytest.fixture
def oracle(tavern: Tavern, stub: Stub) -> Iterator[Tavern]:
    """A world with two hosts: `local` thinks, `stub` talks."""
    port = free_port()
    (tavern.home / "hosts.yaml").write_text(
        f"local: {{url: 'http://127.0.0.1:{port}'}}\nstub: {{kind: realm, url: '{stub.url}'}}\n"
    )
    with open(tavern.home / "logs" / "oracle.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "arena.oracle", "--port", str(port)],
            cwd=CHECKOUT, env=tavern.environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_until(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, (tavern.home / "logs" / "oracle.log").read_text()
        yield tavern
    finally:
        process.terminate()
        process.wait()


def ask(page: Page, text: str) -> None:
    page.keyboard.press("/")
    expect(page.locator("#message")).to_be_focused()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_a_checkpoint_is_loaded_asked_and_compared(oracle: Tavern, visitor: Visitor) -> None:
    page = visitor.page
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"{oracle.address}/oracle")
    expect(page.locator(".rail [aria-current=page]")).to_have_text("Oracle")
    expect(page.locator("[data-side='0'] [data-state-of]")).to_have_text("Not loaded there yet.")

    page.fill("[name=max_tokens]", "12")
    page.locator("#main").focus()
    ask(page, "How many?")
    expect(page.locator(".answer [data-part=model]")).to_have_text("DIO/base", timeout=TIMEOUT_MS)
    expect(page.locator(".answer.trouble")).to_have_count(0)
    expect(page.locator("#stop")).to_be_hidden(timeout=TIMEOUT_MS)
    expect(page.locator("[data-side='0'] [data-state-of]")).to_have_text("Loaded: DIO/base", timeout=TIMEOUT_MS)

    page.check("#beside")
    second = page.locator("#second")
    second.locator("[data-host]").select_option("stub")
    second.locator("[data-checkpoint]").select_option(f"1000 {M1000['name']}")
    page.fill("[name=seed]", "7")
    page.locator("#main").focus()
    page.locator("#message").fill("")
    ask(page, "How many now?")
    left, right = page.locator(".exchange").last.locator(".answer").all()
    expect(left.locator("[data-part=speed]")).to_contain_text("tok/s", timeout=TIMEOUT_MS)
    expect(left.locator("[data-part=model]")).to_have_text("DIO/base")
    assert len(left.locator("[data-part=sha256]").inner_text()) == 12
    expect(left.locator("[data-part=sampling]")).to_have_text("t 0.7, seed 7")
    expect(right.locator("[data-part=said]")).to_have_text("Forty-two")
    expect(right.locator("[data-part=step]")).to_have_text("Step 1,000")
    expect(page.locator("#ball")).to_have_attribute("data-state", "silent")

    said = left.locator("[data-part=said]").inner_text()
    expect(left.locator("[data-part=earlier]")).to_have_text("read 2 earlier turns")
    expect(right.locator("[data-part=earlier]")).to_have_text("read 0 earlier turns")
    expect(page.locator("#talks li.here")).to_contain_text("How many?")
    page.reload()
    expect(page.locator(".exchange")).to_have_count(2)
    assert page.locator(".answer[data-side='0'] [data-part=said]").last.inner_text() == said
    expect(page.locator(".answer[data-side='1'] [data-part=said]")).to_have_text("Forty-two")
    assert [told for told in visitor.complaints if "404" not in told] == []


def test_stop_really_stops_and_words_are_only_words(oracle: Tavern, stub: Stub, visitor: Visitor) -> None:
    page = visitor.page
    page.set_default_timeout(TIMEOUT_MS)
    said = events(chunk(M1000["id"], HOSTILE, **witness(M1000)), done=False).body
    stub.replies[CHAT] = Raw(body=said, headers=(("Content-Type", "text/event-stream"),), then_waits=True)
    page.goto(f"{oracle.address}/oracle")
    page.select_option("[data-side='0'] [data-host]", "stub")
    page.select_option("[data-side='0'] [data-checkpoint]", f"1000 {M1000['name']}")
    ask(page, HOSTILE)
    expect(page.locator("[data-part=said]")).to_have_text(HOSTILE)
    expect(page.locator("#ball")).to_have_attribute("data-state", "speaking")
    assert not stub.gone.is_set()
    page.click("#stop")
    wait_until(stub.gone.is_set)
    expect(page.locator("[data-part=ended]")).to_have_text("Stopped.")
    expect(page.locator("#ball")).to_have_attribute("data-state", "silent")
    expect(page.locator("#talks li.here")).to_have_count(1)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{oracle.address}/oracle")
    page.locator("#talks ol a").click()
    expect(page.locator(".prompt")).to_have_text(HOSTILE)
    expect(page.locator("[data-part=said]")).to_have_text(HOSTILE)
    expect(page.locator("[data-part=ended]")).to_have_text("Stopped.")
    assert page.locator("#choosing").get_attribute("open") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert visitor.complaints == []


def test_what_a_host_said_before_it_broke_off_stays(oracle: Tavern, stub: Stub, visitor: Visitor) -> None:
    page = visitor.page
    page.set_default_timeout(TIMEOUT_MS)
    stub.replies[CHAT] = events(chunk(M1000["id"], "So far", **witness(M1000)), done=False)
    page.goto(f"{oracle.address}/oracle")
    page.select_option("[data-side='0'] [data-host]", "stub")
    page.select_option("[data-side='0'] [data-checkpoint]", f"1000 {M1000['name']}")
    ask(page, "How many?")
    for _ in range(2):
        expect(page.locator("[data-part=ended]")).to_have_text("stub broke off before its answer was complete.")
        expect(page.locator("[data-part=said]")).to_have_text("So far")
        expect(page.locator("#talks li.here")).to_have_count(1)
        page.reload()


def test_it_works_without_scripts(oracle: Tavern, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(f"{oracle.address}/oracle")
        page.fill("[name=max_tokens]", "8")
        page.fill("#message", "How many?")
        page.click("#send")
        expect(page.locator(".prompt").last).to_have_text("How many?")
        expect(page.locator("[data-part=model]").last).to_have_text("DIO/base")
    finally:
        context.close()
