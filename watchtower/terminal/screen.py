"""The battle as lines of a terminal of any size. Texts of quests come from anywhere, so nothing in them steers it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from arena.preview.terminal import visible
from realm.machine.machine import Gpu, Machine
from watchtower.terminal import chart
from watchtower.terminal.beside import Beside
from watchtower.terminal.scene import Scene

SEPARATOR = "  "
KEYS = "q quit  p pause  r resume"
_LEAST_CHART, _MOST_CHART = 3, 16
_STATES = {"training": "green", "paused": "yellow", "resting": "yellow", "offline": "red", "failed": "red"}


def render(scene: Scene, beside: Beside, *, width: int, height: int, ascii_only: bool, keys: bool = False) -> Group:
    """At most `height` lines of at most `width` columns; the curve and the events share what is left."""
    head = [*_head(scene, width), *_numbers(scene, width, ascii_only=ascii_only)]
    foot = [*_flow(_beside(beside), width, style="dim"), *([Text(KEYS, style="dim")] if keys else [])]
    left = height - len(head) - len(foot)
    rows = max(_LEAST_CHART, min(_MOST_CHART, left - 4)) if left >= _LEAST_CHART else 0
    curve = [Text(line, style="cyan") for line in _curve(scene, width, rows, ascii_only)]
    events = _events(scene, width, max(0, left - len(curve)))
    lines = [*head, *curve, *events, *foot][:height]
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis" if not ascii_only else "crop")
    return Group(*lines)


def one_line(scene: Scene) -> str:
    """For terminals that only take lines."""
    battle = scene.battle
    if battle is None:
        return f"no battle was fought yet; the arena is {scene.arena.get('state', 'offline')}"
    parts = [said(battle["quest"]), f"step {battle['quest_step']} of {_or(battle['total'])}", *_losses(battle)]
    return SEPARATOR.join([*parts, *_speeds(battle), _arena(scene)])


def said(text: str) -> str:
    """In one line, without what would steer a terminal."""
    return " ".join(visible(text).split())


def _head(scene: Scene, width: int) -> list[Text]:
    hero = scene.hero
    card = [said(str(hero.get("name", ""))), f"level {hero.get('level', 0)}", f"{hero.get('xp', 0):,} XP"]
    for name, title in (("attack", "ATK"), ("defense", "DEF")):
        card += [f"{title} {100 * hero[name]:,.1f}"] if hero.get(name) is not None else []  # as the Tavern shows them
    card += [f"ACC {hero['accuracy']:.0%}"] if hero.get("accuracy") is not None else []
    card += [f"gold {hero.get('gold', 0):,}"]
    state = _STATES.get(str(scene.arena.get("state")), "")
    lines = _flow(card, width, style="bold")
    if scene.battle is None:
        lines += _flow(["no battle was fought yet"], width)
    else:
        skill = scene.battle["skill"]
        of = f" ({skill} level {scene.battle['level']})" if skill else ""
        lines += _flow([f"{said(scene.battle['quest'])}{of}", scene.battle["state"]], width)
    return lines + _flow([_arena(scene)], width, style=state)


def _arena(scene: Scene) -> str:
    state, message = scene.arena.get("state", "offline"), said(str(scene.arena.get("message") or ""))
    is_silent = scene.arena.get("stale") and scene.arena.get("alive")
    stale = f", silent for {scene.arena['age_s']:.0f} s" if is_silent else ""
    return f"arena {state}{stale}{f': {message}' if message else ''}"


def _numbers(scene: Scene, width: int, *, ascii_only: bool) -> list[Text]:
    battle = scene.battle
    if battle is None:
        return []
    total, done = battle["total"], battle["quest_step"]
    share = min(1.0, done / total) if total else 0.0
    counted = f"step {done} of {_or(total)} {f'{share:.0%}' if total else ''} (hero step {_or(battle['step'])})"
    bar = _bar(share, min(20, max(0, width - len(counted) - 2)), ascii_only=ascii_only)
    lines = [Text(f"{bar}{SEPARATOR if bar else ''}{counted}")]
    measured = [*_losses(battle), f"lr {_number(battle['lr'], '.3g')}", f"grad {_number(battle['gnorm'], '.3g')}"]
    memory = [f"memory {battle['mem'] / 1e6:,.0f} MB"] if battle.get("mem") else []
    return lines + _flow([*measured, *_speeds(battle), *memory], width)


def _losses(battle: dict[str, Any]) -> list[str]:
    return [
        f"loss {_number(battle['loss'], '.4f')}",
        f"mean {_number(battle['ema'], '.4f')}",
        f"val {_number(battle['val'], '.4f')}",
    ]


def _speeds(battle: dict[str, Any]) -> list[str]:
    parts = [f"{battle['tok_s']:,.0f} tokens/s"] if battle["tok_s"] is not None else []
    parts += [f"{battle['sps']:.3g} steps/s"] if battle["sps"] is not None else []
    parts += [f"ETA {duration(battle['eta_s'])}"] if battle["eta_s"] is not None else []
    return [*parts, f"elapsed {duration(battle['elapsed_s'] or 0)}"]


def _curve(scene: Scene, width: int, height: int, ascii_only: bool) -> list[str]:
    steps, losses = scene.points()
    if height < 1 or not steps:
        return []
    drawn = chart.curve(steps, losses, width=width, height=height - 1, ascii_only=ascii_only)
    begin, end = f"loss, step {steps[0]}", f"{steps[-1]}"
    return [*drawn, f"        {begin}{end.rjust(max(len(end) + 1, width - 8 - len(begin)))}"]


def _events(scene: Scene, width: int, most: int) -> list[Text]:
    newest = list(scene.events)[-most:] if most else []
    clock = [time.strftime("%H:%M:%S", time.localtime(event["time"])) for event in newest]
    return [Text(f"{at} {said(event['message'])}") for at, event in zip(clock, newest, strict=True)]


def _beside(beside: Beside) -> list[str]:
    names = ", ".join(map(said, beside.next_quests))
    more = beside.waiting - len(beside.next_quests)
    queue = f"queue {beside.waiting}{f': {names}' if names else ''}{f' and {more} more' if more > 0 else ''}"
    return [f"checkpoint {said(beside.checkpoint or 'none yet')}", queue, *machine_parts(beside.machine)]


def machine_parts(machine: Machine) -> list[str]:
    """What the machine tells; what it does not is left out."""
    parts = [] if machine.cpu_percent is None else [f"CPU {machine.cpu_percent:.0f}%"]
    if machine.memory_used_bytes is not None and machine.memory_total_bytes:
        parts.append(f"RAM {machine.memory_used_bytes / 1e9:.1f}/{machine.memory_total_bytes / 1e9:.0f} GB")
    if machine.disk_free_bytes is not None:
        parts.append(f"disk {machine.disk_free_bytes / 1e9:,.0f} GB free")
    if machine.temperature_celsius is not None:
        parts.append(f"{machine.temperature_celsius:.0f} C")
    return parts + [_gpu(gpu) for gpu in machine.gpus or ()]


def _gpu(gpu: Gpu) -> str:
    parts = [f"GPU {gpu.index}"]
    parts += [] if gpu.use_percent is None else [f"{gpu.use_percent:.0f}%"]
    if gpu.memory_used_bytes is not None and gpu.memory_total_bytes:
        parts.append(f"{gpu.memory_used_bytes / 1e9:.0f}/{gpu.memory_total_bytes / 1e9:.0f} GB")
    parts += [] if gpu.temperature_celsius is None else [f"{gpu.temperature_celsius:.0f} C"]
    parts += [] if gpu.power_watts is None else [f"{gpu.power_watts:.0f} W"]
    return " ".join(parts)


def _flow(parts: Iterable[str], width: int, *, style: str = "") -> list[Text]:
    """Parts side by side while they fit, then in another line."""
    lines: list[Text] = []
    for part in parts:
        text = Text(part, style=style)
        if lines and lines[-1].cell_len + len(SEPARATOR) + text.cell_len <= width:
            lines[-1].append(SEPARATOR).append_text(text)
        else:
            lines.append(text)
    return lines


def _bar(share: float, width: int, *, ascii_only: bool) -> str:
    if width < 4:
        return ""
    full = round(share * width)
    return ("#" * full + "-" * (width - full)) if ascii_only else ("█" * full + "░" * (width - full))


def _number(value: float | None, form: str) -> str:
    return "--" if value is None else format(value, form)


def _or(value: int | None) -> str:
    return "--" if value is None else f"{value:,}"


def duration(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}"


def text_of(shown: Group, *, width: int) -> str:
    """Without colours, as a file or another program takes it."""
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(shown)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
