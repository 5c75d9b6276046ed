"""What the Tavern's templates need, made from one snapshot of the running world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.templatetags.static import static

from arena.orders import Wish
from guild.champion import crown
from guild.champion.crown import Champion
from realm import config, config_edit, strict
from realm.config import RealmConfig
from realm.world import World
from tavern import formatting
from tavern.achievements.page import count_of
from tavern.home.buttons import orders
from tavern.home.chips import chips
from tavern.home.rate import rate_form
from tavern.home.scene import scene_context
from tavern.home.waiting import waiting_quests
from tavern.live_settings import read_settings
from tavern.log_groups import Group, groups_of
from tavern.log_looks import BLANK, entry_of, looks_table
from watchtower.snapshot import arena_part, battle_part, hero_part
from watchtower.telling import OTHER_TOPIC, TOPICS
from watchtower.view import first_look

TABLE_ROWS = 20
METRICS = [
    ("levels", "levels held, then loss"),
    ("val_loss", "validation loss"),
    ("train_loss", "train loss"),
    ("accuracy", "accuracy"),
]
ESTIMATING_STEPS = 20
# A template reads the same keys when there has been no battle yet.
_NO_BATTLE = dict.fromkeys(
    ("id", "quest", "state", "step", "quest_step", "total", "sps", "loss", "val", "lr", "gnorm", "tok_s", "eta_s",
     "elapsed_s", "mean", "spread", "mem", "est_s", "est_mem", "err_s", "err_mem", "memory")
)  # fmt: skip
_FAVICONS = {"training": "training", "preparing": "training", "paused": "resting", "resting": "resting"}
_LABELS = {
    "training": "{hero} fights {foe}",
    "preparing": "{hero} prepares to fight {foe}",
    "paused": "{hero} rests at a campfire, the battle is paused",
    "resting": "{hero} rests at a campfire",
    "idle": "{hero} sleeps, no quest is being fought",
    "offline": "{hero} sleeps, the arena is not running",
    "stale": "{hero} waits, the trainer has said nothing for a while",
}


NO_CURVES: dict[str, Any] = {
    "curve": {"step": [], "loss": [], "lr": [], "battles": []},
    "course": {"norm": [], "tokens": [], "seconds": [], "memory": []},
    "marks": [],
    "validation": [],
    "accuracy": [],
    "events": [],
}


def build_brief_snapshot(world: World, hero: str) -> dict[str, Any]:
    """A snapshot for single panels, which show neither curves nor events."""
    view = first_look(world, hero)
    return {
        "seq": view.seq,
        "hero": hero_part(view),
        "arena": arena_part(view),
        "battle": battle_part(view, view.facts) if view.facts else None,
        **NO_CURVES,
    }


def tavern_context(snapshot: dict[str, Any], asked: Wish | None = None) -> dict[str, Any]:
    """`snapshot` is the message of watchtower.snapshot; `asked` is an order that was given just now."""
    hero, arena, battle = snapshot["hero"], snapshot["arena"], snapshot["battle"] or _NO_BATTLE
    stance = stance_of(arena)
    throne = crown_of(settings.WORLD, hero["name"])
    scene = scene_context(settings.WORLD, hero, battle, throne.champion)
    progress = progress_of(battle)
    xp_fraction = 1 - (hero["next_level_xp"] - hero["xp"]) / 1000
    return {
        "hero": hero,
        "arena": arena,
        "battle": battle,
        "seq": snapshot["seq"],
        "stance": stance,
        "scene_label": _LABELS.get(stance, "{hero}").format(hero=hero["name"], foe=scene["foe"].name),
        **scene,
        "progress": progress,
        "foe_fraction": None if progress is None else 1 - progress,
        "xp_fraction": xp_fraction,
        "xp_dash": f"{xp_fraction * 100:.2f}",
        "eta": eta_of(battle),
        "rolling": rolling_of(battle),
        "forecast": forecast_of(battle),
        "memory_held": memory_held(battle),
        "raw": {
            "attack": f"1 / {hero['attack_of'] or 'train loss'} = {_raw(hero['attack'])}",
            "defense": f"1 / {hero['defense_of'] or 'validation loss'} = {_raw(hero['defense'])}",
            "accuracy": f"share of held-out problems answered right = {_raw(hero['accuracy'])}",
        },
        "chips": chips(hero),
        "meanings": meanings(hero),
        "crown": throne,
        "medals": count_of(settings.WORLD, hero["name"]),
        "orders": orders(_ordered_state(arena), asked),
        "rate": rate_form(settings.WORLD),
        "is_idle": stance == "idle",
        "autoplay": stance == "idle" and read_settings(settings.WORLD)[0].autoplay,
        "queue": waiting_quests(),
        "log": groups_of(entry_of(event) for event in reversed(snapshot["events"])),
        "topics": (*TOPICS, OTHER_TOPIC),
        "blank_entry": BLANK,
        "blank_group": Group(key="", entries=[BLANK]),
        "entry_looks": looks_table(),
        "last_steps": last_steps(snapshot["curve"], snapshot["course"]),
        "last_scores": last_scores(snapshot["validation"]),
        "last_accuracies": last_accuracies(snapshot["accuracy"]),
        "last_accuracy": snapshot["accuracy"][-1][1] if snapshot["accuracy"] else None,
        "pill": {"offline": "offline", "stale": "waiting"}.get(stance, "live"),
        "pill_text": pill_text(stance, battle),
        "title": title_of(stance, battle, progress),
        "favicon": static(f"img/dio-{_FAVICONS.get(stance, 'asleep')}.svg"),
        "snapshot": snapshot | {"events": []},
    }


def meanings(hero: dict[str, Any]) -> list[tuple[str, str]]:
    """Each stat in one sentence."""
    attack, defense, accuracy = hero["attack_of"], hero["defense_of"], hero["accuracy_of"]
    return [
        ("ATK", f"100 / {attack}." if attack else "100 / train loss, once a checkpoint is saved."),
        (
            "DEF",
            f"100 / {defense}."
            if defense
            else "100 / validation loss, once a checkpoint is scored over what the hero was taught.",
        ),
        (
            "ACC",
            f"Share of the problems of {accuracy} answered right, none of which is trained on."
            if accuracy
            else "Share of problems answered right, once a checkpoint is asked.",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Crown:
    """Who is the champion, why, and by what."""

    champion: Champion | None
    lost: str
    """Why the one that was promoted does not hold; empty where it does."""
    metric: str
    metrics: list[tuple[str, str]]
    """(value, label) of those that can be chosen."""


def crown_of(world: World, hero: str) -> Crown:
    metric = read_settings(world)[0].champion_metric
    metrics = METRICS if metric in dict(METRICS) else [*METRICS, (metric, f"loss over {metric}")]
    return Crown(
        champion=crown.quick_champion(world, hero, metric),
        lost=crown.lost_pin(world, hero),
        metric=metric,
        metrics=metrics,
    )


def save_metric(world: World, metric: str) -> None:
    """Raises strict.BadConfig for one that is none, or settings that cannot be changed."""
    source = str(config.config_file(world))
    changes: dict[config_edit.Path, str] = {("champion_metric",): metric}
    config_edit.change(world, changes, check=lambda values: strict.read(RealmConfig, values, source=source))


def stance_of(arena: dict[str, Any]) -> str:
    if not arena["alive"]:
        return "offline"
    return "stale" if arena["stale"] else str(arena["state"])


def _ordered_state(arena: dict[str, Any]) -> str:
    """A battle that waits for room on the disk is shown as paused, but a resume would change nothing."""
    if not arena["alive"]:
        return "offline"
    return "waiting" if arena["waits"] else str(arena["state"])


def progress_of(battle: dict[str, Any]) -> float | None:
    """Fraction of the battle's steps, 1 only when it is completed."""
    if not battle["total"] or battle["quest_step"] is None:
        return None
    if battle["state"] == "completed":
        return 1.0
    return float(min(battle["quest_step"], battle["total"] - 1) / battle["total"])


def eta_of(battle: dict[str, Any]) -> str:
    if battle["state"] != "training":
        return formatting.UNKNOWN
    if (battle["quest_step"] or 0) < ESTIMATING_STEPS:
        return "estimating…"
    return formatting.duration(battle["eta_s"])


def rolling_of(battle: dict[str, Any]) -> str:
    """Mean and standard deviation of the newest losses."""
    if battle["mean"] is None:
        return formatting.UNKNOWN
    return f"{formatting.loss(battle['mean'])} ± {formatting.loss(battle['spread'])}"


def forecast_of(battle: dict[str, Any]) -> str:
    """The estimate; once the battle is over, how far off it was."""
    if battle["err_mem"] is not None:
        time = "" if battle["err_s"] is None else f"time {formatting.deviation(battle['err_s'])}, "
        return f"estimate off by: {time}memory {formatting.deviation(battle['err_mem'])}"
    if battle["est_mem"] is None:
        return ""
    time = "" if battle["est_s"] is None else f"{formatting.duration(battle['est_s'])}, "
    used = "" if battle["mem"] is None else f"; in use {formatting.size(battle['mem'])}"
    return f"estimate {time}{formatting.size(battle['est_mem'])}{used}"


_HELD = (
    ("weights", "weights"), ("gradients", "gradients"), ("optimizer", "optimizer"), ("process", "process"),
    ("rest", "activations and the rest"),
)  # fmt: skip


def memory_held(battle: dict[str, Any]) -> str:
    held = battle["memory"]
    return "" if held is None else ", ".join(f"{name} {formatting.size(held[key])}" for key, name in _HELD)


def last_steps(curve: dict[str, list[Any]], course: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """The newest first; `speed` in tokens a second since the step before."""
    columns = (curve["step"], curve["loss"], curve["lr"], course["norm"], course["memory"], _speeds(course))
    keys = ("step", "loss", "lr", "norm", "memory", "speed")
    rows = [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
    return rows[: -TABLE_ROWS - 1 : -1]


def _speeds(course: dict[str, list[Any]]) -> list[float | None]:
    read, spent = [0, *course["tokens"]], [0.0, *course["seconds"]]
    took = [(read[at + 1] - read[at], spent[at + 1] - spent[at]) for at in range(len(course["tokens"]))]
    return [tokens / seconds if seconds > 0 else None for tokens, seconds in took]


def last_scores(curves: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of all sets together, the newest first."""
    rows = [{**curve, "step": step, "loss": loss} for curve in curves for step, loss in curve["points"]]
    return sorted(rows, key=lambda row: -row["step"])[:TABLE_ROWS]


def last_accuracies(accuracy: list[list[Any]]) -> list[dict[str, Any]]:
    """The newest first."""
    keys = ("step", "accuracy", "skill", "level")
    return [dict(zip(keys, row, strict=True)) for row in accuracy[: -TABLE_ROWS - 1 : -1]]


def pill_text(stance: str, battle: dict[str, Any]) -> str:
    if stance == "offline":
        return "Offline"
    if stance == "stale":
        return "Waiting for trainer"
    speed = battle["sps"] if stance == "training" else None
    return "Live" if speed is None else f"Live {formatting.rate(speed)}/s"


def title_of(stance: str, battle: dict[str, Any], progress: float | None) -> str:
    if stance == "training" and progress is not None:
        return f"{int(progress * 100)}% · {formatting.loss(battle['loss'])} · Realm"
    return {"paused": "Resting · Realm", "resting": "Resting · Realm", "idle": "Asleep · Realm"}.get(stance, "Realm")


def _raw(value: float | None) -> str:
    return formatting.UNKNOWN if value is None else f"{value:,.10g}"
