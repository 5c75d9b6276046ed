"""The battle's page at twenty ticks a second, and through a day in fast motion: what it draws, holds and takes.

ART 4.7.4. The ticks come by the page's own socket, whose other end is here; figures of time are held by campaigns
alone.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page, WebSocketRoute, sync_playwright

from tests.campaigns.report import Figure
from tests.e2e.conftest import CHROMIUM_OPTIONS, Tavern, chromium_path
from tests.e2e.waiting import LOOKS, wait_until

TICKS_A_SECOND = 20
STEPS_A_TICK = 3
MOST_LUNGES = 2.3
MOST_FRAME_SECONDS = 0.005
MOST_GROWTH_BYTES = 2_000_000
CLAMP_STEPS = 2 * STEPS_A_TICK * TICKS_A_SECOND
"""A displayed step runs ahead of what was said by as much as the speed gives in one and a half intervals, at most."""
EVENT_EVERY = 40
DAY_STEPS = 86_400
_SETTLE_TICKS = 250
"""Until the log holds as many rows, and the charts as many chests, as they ever do."""
_COURSE = [0.5, 880, 0.05, 10**8]
"""Of a step: gradient norm, tokens, seconds, bytes of memory."""
_STANDING = ("ema", "mean", "spread", "val", "mem", "est_s", "est_mem", "gnorm")
_WATCH = """() => {
  window.seen = { hits: [], frames: 0, backwards: 0, highest: 0 };
  document.addEventListener("realm:hit", () => seen.hits.push(performance.now()));
  const node = document.querySelector("[data-live=quest-step]");
  const shown = () => Number((node?.textContent ?? "0").replace(/[^0-9]/g, ""));
  let before = shown();
  const frame = () => {
    seen.frames++;
    const now = shown();
    if (now < before) seen.backwards++;
    before = now;
    seen.highest = Math.max(seen.highest, now);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Of one page over a while."""

    seconds: float
    lunges: float
    """A second."""
    frame_seconds: float
    """Main thread a frame, median over seconds."""
    nodes: int
    """By which the document grew."""
    heap_bytes: int
    """By which the heap grew, garbage collected."""
    backwards: int
    """Frames in which the displayed step was lower than before."""
    ahead: int
    """By how many steps the displayed step was beyond what was said, at most."""
    hits: int = 0
    """Lunges in all; with none, nothing else was shown either."""
    behind: int = 0
    """By how many it stayed behind, in the end."""


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """`count` is the seconds of twenty ticks; nothing depends on chance."""
    seconds = 4.0 if quick else float(count or 60)
    with _tavern(folder / "world") as tavern, _page(tavern) as page:
        live = fed(page, tavern, seconds=seconds)
        day = fast_forward(page, ticks=600 if quick else 6000)
    return [*figures_live(live), *figures_day(day)]


def figures_live(drawn: Drawn) -> list[Figure]:
    what = f"{TICKS_A_SECOND} ticks a second for {drawn.seconds:.0f} s"
    frame, most = f"{1000 * drawn.frame_seconds:.1f} ms", f"{1000 * MOST_FRAME_SECONDS:.0f} ms"
    return [
        Figure(promise="ART 4.7.4", what=f"{what}: lunges a second", figure=f"{drawn.lunges:.2f}",
               wanted=f"at most {MOST_LUNGES}", kept=drawn.lunges <= MOST_LUNGES),
        Figure(promise="ART 4.7.4", what=f"{what}: lunges", figure=drawn.hits, wanted="some", kept=drawn.hits > 0),
        Figure(promise="ART 4.7.4", what=f"{what}: main thread a frame, median", figure=frame,
               wanted=most, kept=drawn.frame_seconds <= MOST_FRAME_SECONDS, timed=True),
        Figure(promise="ART 4.7.4", what=f"{what}: nodes that came to stay", figure=drawn.nodes, wanted="0",
               kept=drawn.nodes <= 0),
        Figure(promise="ART 4.7.4", what=f"{what}: frames in which the step fell", figure=drawn.backwards, wanted="0",
               kept=not drawn.backwards),
        Figure(promise="ART 4.7.4", what=f"{what}: steps shown beyond what was said", figure=drawn.ahead,
               wanted=f"at most {CLAMP_STEPS}", kept=drawn.ahead <= CLAMP_STEPS),
        Figure(promise="ART 4.7.4", what=f"{what}: steps that were not shown in the end", figure=drawn.behind,
               wanted="0", kept=drawn.behind <= 0),
    ]  # fmt: skip


def figures_day(drawn: Drawn) -> list[Figure]:
    what = f"{DAY_STEPS:,} steps in fast motion"
    return [
        Figure(promise="issue 8", what=f"{what}: nodes that came to stay", figure=drawn.nodes, wanted="0",
               kept=drawn.nodes <= 0),
        Figure(promise="issue 8", what=f"{what}: growth of the heap", figure=f"{drawn.heap_bytes / 1e6:+.1f} MB",
               wanted=f"at most {MOST_GROWTH_BYTES / 1e6:.0f} MB", kept=drawn.heap_bytes <= MOST_GROWTH_BYTES),
    ]  # fmt: skip


class Stream:
    """The other end of the page's socket: as many ticks as wanted, each with its steps, and entries in between."""

    def __init__(self, page: Page, tavern: Tavern) -> None:
        self._sockets: list[WebSocketRoute] = []
        page.route_web_socket("**/ws/battle/**", self._opened)
        page.goto(tavern.address)
        self.snapshot: dict[str, Any] = json.loads(page.locator("#first-snapshot").text_content() or "{}")
        self.step, self.seq, self.sent = self.snapshot["battle"]["step"], self.snapshot["seq"], 0
        self._send(self.snapshot | {"events": []})

    def _opened(self, socket: WebSocketRoute) -> None:
        self._sockets.append(socket)

    def _send(self, message: dict[str, Any]) -> None:
        self._sockets[-1].send(json.dumps(message | {"server_time": time.time()}))

    def tick(self, steps: int) -> None:
        points = [[self.step + each, _loss(self.step + each), 2e-3] for each in range(1, steps + 1)]
        self.step, self.sent = self.step + steps, self.sent + 1
        battle = self.snapshot["battle"]
        speed = {"sps": float(steps * TICKS_A_SECOND), "tok_s": 9e3, "eta_s": 900.0}
        self._send(
            {
                **{key: battle.get(key) for key in _STANDING},
                **speed, "v": 1, "type": "tick", "seq": self.seq, "run": battle["id"], "state": "training",
                "total": battle["total"], "step": self.step, "quest_step": self.step, "t": time.time(),
                "loss": points[-1][1], "lr": 2e-3, "elapsed_s": 60.0 + self.sent, "acc": 0.5, "points": points,
                "course": [_COURSE for _ in points],
                "arena": self.snapshot["arena"], "hero": self.snapshot["hero"] | {"xp": self.step},
            }
        )  # fmt: skip
        if self.sent % EVENT_EVERY == 0:
            self.event()

    def event(self) -> None:
        self.seq += 1
        self._send(
            {
                "v": 1, "type": "event", "seq": self.seq, "kind": "checkpoint_saved", "time": time.time(),
                "step": self.step, "message": f"Checkpoint {self.step} saved", "data": {},
                "run": self.snapshot["battle"]["id"],
            }
        )  # fmt: skip


def fed(page: Page, tavern: Tavern, *, seconds: float, leaps: int = _SETTLE_TICKS, looks: int = LOOKS) -> Drawn:
    """Twenty ticks a second by the wall clock, from a page whose log is full, and its charts after so many leaps.

    In the end it is looked `looks` times whether all of it was shown and is over; a page that was too busy for any
    lunge is told on.
    """
    begin(tavern)
    stream = Stream(page, tavern)
    page.stream = stream  # type: ignore[attr-defined]
    for number in range(_SETTLE_TICKS):
        if number < leaps:
            stream.tick(EVENT_EVERY * STEPS_A_TICK)
        stream.event()
    for _ in range(2 * TICKS_A_SECOND if leaps else 1):  # the pace of the page, after leaps, is the stream's again
        stream.tick(STEPS_A_TICK)
        page.wait_for_timeout(1000 / TICKS_A_SECOND)
    wait_until(page, lambda: page.evaluate("document.querySelectorAll('#entries > *').length > 50"))
    page.evaluate(_WATCH)
    nodes, heap = _held(page)
    busy, ends = [], time.monotonic() + seconds
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    task, frames = _spent(page, devtools)
    second = time.monotonic() + 1
    while time.monotonic() < ends:
        stream.tick(STEPS_A_TICK)
        page.wait_for_timeout(1000 / TICKS_A_SECOND)
        if time.monotonic() >= second:
            now_task, now_frames = _spent(page, devtools)
            busy.append((now_task - task) / max(1, now_frames - frames))
            task, frames, second = now_task, now_frames, time.monotonic() + 1
    page.wait_for_timeout(2000)  # until the last moment is played
    with suppress(AssertionError):  # the figures say so
        wait_until(page, lambda: _over(page, stream, nodes), looks=looks)
    after_nodes, after_heap = _held(page)
    seen = page.evaluate("seen")
    return Drawn(
        seconds=seconds,
        lunges=_rate(seen["hits"]),
        hits=len(seen["hits"]),
        frame_seconds=statistics.median(busy) if busy else 0.0,
        nodes=after_nodes - nodes,
        heap_bytes=after_heap - heap,
        backwards=seen["backwards"],
        ahead=max(0, seen["highest"] - stream.step),
        behind=stream.step - seen["highest"],
    )


def _over(page: Page, stream: Stream, nodes: int) -> bool:
    if not page.evaluate("seen.hits.length"):
        stream.tick(STEPS_A_TICK)
        return False
    shown = "([last, nodes]) => seen.highest >= last && document.querySelectorAll('*').length <= nodes"
    return bool(page.evaluate(shown, [stream.step, nodes]))


def fast_forward(page: Page, *, ticks: int) -> Drawn:
    """A day's steps as fast as the page takes them; what it held after a quarter is held against the end."""
    stream: Stream = page.stream  # type: ignore[attr-defined]
    nodes = heap = 0
    for number in range(ticks):
        stream.tick(DAY_STEPS // ticks)
        if number % 100 == 0:
            page.evaluate("new Promise((done) => requestAnimationFrame(done))")
        if number == ticks // 4:
            nodes, heap = _held(page)
    page.wait_for_timeout(2000)
    after_nodes, after_heap = _held(page)
    return Drawn(
        seconds=0, lunges=0, frame_seconds=0, backwards=0, ahead=0, nodes=after_nodes - nodes,
        heap_bytes=after_heap - heap,
    )  # fmt: skip


def begin(tavern: Tavern) -> None:
    tavern.do("status", state="training")
    tavern.do("begin", name="endless", total=1_000_000)
    tavern.do("steps", count=60)


def _rate(times: list[float]) -> float:
    """Of what happened at these milliseconds, a second."""
    return 1000 * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0


def _loss(step: int) -> float:
    return round(0.5 + 4 * math.exp(-step / 400) + 0.2 * math.sin(2.4 * step) * math.cos(step), 6)


def _held(page: Page) -> tuple[int, int]:
    """Nodes of the document, and bytes of the heap once garbage is collected."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    used = devtools.send("Runtime.getHeapUsage")["usedSize"]
    devtools.detach()
    return page.evaluate("document.querySelectorAll('*').length"), int(used)


def _spent(page: Page, devtools: CDPSession) -> tuple[float, int]:
    """Seconds of the main thread, and frames, both from some moment on."""
    metrics = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"]), int(page.evaluate("seen.frames"))


@contextmanager
def _tavern(home: Path) -> Iterator[Tavern]:
    tavern = Tavern(home)
    tavern.wake_arena()
    try:
        tavern.open()
        yield tavern
    finally:
        tavern.close()
        tavern.stop_arena()


@contextmanager
def _page(tavern: Tavern) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_OPTIONS)
        yield browser.new_page(viewport={"width": 1440, "height": 900})
        browser.close()
