"""Why a checkpoint stays: each reason, and the twin without it."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from guild.models import EvaluationTask
from realm.oracle import served
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.support.treasury import apply, branched, fill, folder_of, name_of, steps
from vault import index
from vault.assets.ids import checkpoint_id
from vault.errors import Refused
from vault.models import Checkpoint, Job
from vault.treasury import champion, marks, safety, trash

pytestmark = pytest.mark.django_db
OLDEST = 1


def protect(world: World) -> None:
    marks.protect(world, "DIO", name_of(world, OLDEST), by="page", note="the first one")


def promote(world: World) -> None:
    champion.promote(world, "DIO", name_of(world, OLDEST), by="page")


def serve(world: World) -> None:
    """As a host tells that has just begun; the test's process holds its lock to the end."""
    host = served.Served(world, 1)
    host.__enter__()
    host.tell([f"DIO/{name_of(world, OLDEST)}"])
    _HOSTS.append(host)


def adapt(world: World) -> None:
    make_checkpoint(world.heroes, 8, mode="lora", adapter_base=name_of(world, OLDEST), train_loss=1.0, val_loss=1.0)
    index.scan(world)


def export(world: World) -> None:
    asset = checkpoint_id("DIO", name_of(world, OLDEST))
    Job.objects.create(kind="export", state="running", asset_id=asset, by="page", created_at=timezone.now())


_HOSTS: list[served.Served] = []
REASONS: dict[str, tuple[Callable[[World], None], str, str]] = {
    "protected": (protect, "_protected", "it is protected since"),
    "promoted": (promote, "_crowned", "it was promoted to champion"),
    "served": (serve, "_served", "an inference host has loaded it"),
    "under an adapter": (adapt, "_under_adapters", "is an adapter on it"),
    "worked on": (export, "_worked_on", "(export) works on it"),
}


@pytest.fixture(autouse=True)
def hosts_end() -> object:
    yield
    while _HOSTS:
        _HOSTS.pop().__exit__(None, None, None)


@pytest.mark.parametrize("reason", REASONS)
def test_what_must_stay_is_deleted_by_nobody(world: World, reason: str) -> None:
    fill(world)
    arrange, _, said = REASONS[reason]
    arrange(world)
    name = name_of(world, OLDEST)
    assert any(said in sentence for sentence in safety.reasons_to_keep(world, "DIO")[name])
    with pytest.raises(Refused, match="nothing is deleted"):
        trash.delete(world, "DIO", [name], by="page")
    apply(world, 2, budget_bytes=0)
    assert OLDEST in steps(world)


@pytest.mark.parametrize("reason", REASONS)
def test_twin_without_the_reason_it_goes(world: World, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    arrange, guard, _ = REASONS[reason]
    arrange(world)
    monkeypatch.setattr(safety, guard, lambda *_, **__: iter(()))
    monkeypatch.setattr("vault.treasury.shelf.served.held", lambda *_: set())
    apply(world, 2, budget_bytes=0)
    assert OLDEST not in steps(world)


RULES_ALONE = {"_newest": 6, "_best": 2, "_of_branches": 7, "_to_be_asked": 1}
"""By guard a step that rules never take, in a hero with two branches."""


def ask(world: World) -> None:
    EvaluationTask.objects.create(hero="DIO", checkpoint=name_of(world, 1), step=1, skill="bin", level=1)


@pytest.mark.parametrize("guard", RULES_ALONE)
def test_what_rules_never_take(world: World, guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the twin."""
    (branched if guard == "_of_branches" else fill)(world)
    ask(world)
    apply(world, 2, budget_bytes=0)
    assert RULES_ALONE[guard] in steps(world)
    monkeypatch.setattr(safety, guard, lambda *_, **__: iter(()))
    apply(world, 2, budget_bytes=0)
    assert RULES_ALONE[guard] not in steps(world)


def test_the_newest_whole_one_and_where_a_branch_begins_a_person_cannot_delete_either(world: World) -> None:
    branched(world)
    keep = safety.reasons_to_keep(world, "DIO")
    assert keep["checkpoint-6-20260102-1230"] == ("it is the newest whole one of the active branch",)
    assert keep[name_of(world, 3)] == ("branch 2 begins at it",)
    assert set(keep) == {"checkpoint-6-20260102-1230", name_of(world, 3)}


def test_damage_at_the_top_costs_nothing_below(world: World) -> None:
    fill(world)
    (folder_of(world, 7) / "model.safetensors").write_bytes(b"cut")
    keep = safety.reasons_to_keep(world, "DIO")
    assert name_of(world, 7) not in keep
    assert name_of(world, 6) in keep


def test_a_page_looks_for_adapters_again_when_the_folder_has_changed(world: World) -> None:
    fill(world)
    assert name_of(world, 1) not in safety.reasons_to_keep(world, "DIO", fresh=False)
    adapt(world)
    assert name_of(world, 1) in safety.reasons_to_keep(world, "DIO", fresh=False)


def test_of_what_is_listed_no_sidecar_is_read_for_adapters(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    adapt(world)
    monkeypatch.setattr(safety, "_adapter_base", lambda folder: pytest.fail(f"{folder} was read"))
    assert name_of(world, OLDEST) in safety.reasons_to_keep(world, "DIO")


def test_rows_of_an_earlier_release_let_no_base_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the twin."""
    fill(world)
    adapt(world)
    Checkpoint.objects.update(adapter_base=None)
    assert name_of(world, OLDEST) in safety.reasons_to_keep(world, "DIO")
    with monkeypatch.context() as patched:
        patched.setattr(safety, "_adapter_base", lambda folder: None)
        assert name_of(world, OLDEST) not in safety.reasons_to_keep(world, "DIO")
    report = index.scan(world)
    assert (len(report.updated), report.falsified) == (8, ())
    assert Checkpoint.objects.get(step=8).adapter_base == name_of(world, OLDEST)


def test_damaged_marks_keep_everything(world: World) -> None:
    fill(world)
    (world.heroes / "DIO" / marks.FILE).write_text("{")
    for act in (lambda: apply(world), lambda: trash.delete(world, "DIO", [name_of(world, 1)], by="page")):
        with pytest.raises(Refused, match=r"marks\.json cannot be read"):
            act()
    assert len(steps(world)) == 7
    assert any("marks.json" in sentence for sentence in index.scan(world).damaged)


def test_a_host_that_does_not_say_what_it_holds_keeps_everything(world: World) -> None:
    fill(world)
    (world.home / "hosts.yaml").write_text("hosts: [")
    with pytest.raises(Refused, match="nothing is deleted"):
        trash.delete(world, "DIO", [name_of(world, 1)], by="page")
    assert len(steps(world)) == 7


def test_one_that_a_host_loads_between_the_look_and_the_deed_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world)
    original = safety.reasons

    def loads_behind_it(*args: object, **named: object) -> object:
        yield from original(*args, **named)  # type: ignore[arg-type]
        if not _HOSTS:
            serve(world)

    monkeypatch.setattr(safety, "reasons", loads_behind_it)
    apply(world, 2, budget_bytes=0)
    assert steps(world) == [7, 6, 3, 2, 1]
