"""What a client asks of a job, in OpenAI's words, as keys of a quest's own recipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from arena.profiles.quest_recipe import UnconfirmedRate
from arena.profiles.resolving import resolve
from realm.config import RealmConfig
from realm.strict import BadConfig
from realm.world import World
from watchtower.openai_api.errors import ApiError

LARGEST_SEED = 2**31 - 1
MOST_METADATA = 16
_METHODS_REFUSED = {
    "dpo": "the realm trains on answers to be given, not on pairs of a better and a worse one",
    "reinforcement": "the realm has no graders of a client's; its skills are trained by quests that the guild forges",
}


class Asked(BaseModel):
    """Strict, and without unknown keys."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, frozen=True)


class Hyperparameters(Asked):
    n_epochs: Literal["auto"] | int | None = None
    batch_size: Literal["auto"] | int | None = None
    """In packed rows, each of which holds as many examples as fit."""
    learning_rate_multiplier: Literal["auto"] | float | int | None = None


class Supervised(Asked):
    hyperparameters: Hyperparameters | None = None


class Method(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    type: str
    supervised: Supervised | None = None


class JobRequest(Asked):
    model: str
    training_file: str
    validation_file: str | None = None
    suffix: str | None = Field(None, min_length=1, max_length=64)
    seed: int | None = Field(None, ge=0, le=LARGEST_SEED)
    metadata: dict[str, str] | None = None
    method: Method | None = None
    hyperparameters: Hyperparameters | None = None
    integrations: list[dict[str, Any]] | None = None


def chosen(asked: JobRequest) -> Hyperparameters:
    """Of `method`, or as they were given of old. Raises ApiError for what the realm cannot do."""
    method = asked.method
    if method is not None and method.type != "supervised":
        reason = _METHODS_REFUSED.get(method.type, "there is no such method")
        words = f"method: {method.type[:40]!r} is not supported, only 'supervised': {reason}"
        raise ApiError(words, param="method", code="unsupported_method")
    if asked.integrations:
        words = "integrations: none is supported here; `manage.py bridge` writes W&B's files of any battle, offline"
        raise ApiError(words, param="integrations", code="unsupported_integration")
    _check_metadata(asked.metadata or {})
    by_method = method.supervised.hyperparameters if method and method.supervised else None
    if by_method and asked.hyperparameters and by_method != asked.hyperparameters:
        words = "hyperparameters: they differ from those under method; give them once"
        raise ApiError(words, param="hyperparameters", code="invalid_value")
    return by_method or asked.hyperparameters or Hyperparameters()


def _check_metadata(metadata: dict[str, str]) -> None:
    if len(metadata) > MOST_METADATA:
        raise ApiError(f"metadata: at most {MOST_METADATA} pairs", param="metadata", code="invalid_value")
    for key, value in metadata.items():
        if not 1 <= len(key) <= 64 or len(value) > 512:
            words = "metadata: keys have at most 64 characters and values at most 512"
            raise ApiError(words, param="metadata", code="invalid_value")


def number(value: Any) -> Any:
    """None for `auto`, and for what was not asked."""
    return None if value == "auto" else value


def recipe_keys(world: World, config: RealmConfig, hyper: Hyperparameters, *, seed: int | None) -> dict[str, Any]:
    """Keys of a quest's own recipe; none for what is left to the realm."""
    multiplier = number(hyper.learning_rate_multiplier)
    rate = None if multiplier is None else float(multiplier) * resolve(world, config).recipe.learning_rate
    keys = {
        "epochs": number(hyper.n_epochs), "rows_per_step": number(hyper.batch_size),
        "learning_rate": rate, "seed": seed,
    }  # fmt: skip
    return {key: value for key, value in keys.items() if value is not None}


@contextmanager
def refusals() -> Iterator[None]:
    """Keys that make no recipe, or one that may ruin the hero: then ApiError is raised."""
    try:
        yield
    except (BadConfig, UnconfirmedRate) as error:
        raise ApiError(str(error), param="hyperparameters", code="invalid_value") from error
