"""Actions of the vault's admin ask first, and do what pages and commands do."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from realm.world import World
from vault.admin.checkpoints import CheckpointAdmin
from vault.errors import Refused
from vault.models import Asset, Checkpoint, Job, Location

VIEW = "/admin/vault/checkpoint/"


def chosen(name: str, rows: list[Checkpoint], **answers: str) -> dict[str, Any]:
    return {"action": name, "_selected_action": [str(row.pk) for row in rows], **answers}


def of_one(row: Checkpoint, name: str) -> str:
    return f"{VIEW}{row.pk}/actions/{name}/"


def test_deleting_says_how_many_how_much_what_stays_and_why(
    admin_of: Callable[..., Client], checkpoints: list[Checkpoint], parts: SimpleNamespace
) -> None:
    client = admin_of()
    page = client.post(VIEW, chosen("discard", checkpoints)).content.decode()
    assert "To the trash: 3 checkpoints, 3.0 MB. Stay, for the reasons below: 1 checkpoint, 1.0 MB." in page
    assert "<td>newest</td>" in page
    assert "Copies in other places stay" in page
    assert parts.delete.calls == []
    page = client.post(VIEW, chosen("discard", checkpoints, confirmed="yes"), follow=True).content.decode()
    assert "In the trash: 3 checkpoints, 3.0 MB." in page
    [((_, hero, names), options)] = parts.delete.calls
    assert (hero, len(names), options) == ("DIO", 3, {"by": "admin"})
    assert "checkpoint-400-20260101-1200" not in names
    assert LogEntry.objects.filter(change_message="Delete").count() == 3


def test_every_action_asks_and_does_nothing_by_get(
    admin_of: Callable[..., Client], checkpoints: list[Checkpoint], parts: SimpleNamespace
) -> None:
    client = admin_of()
    for name in CheckpointAdmin.change_actions:
        assert "Leave it" in client.get(of_one(checkpoints[0], name) + "?confirmed=yes").content.decode(), name
    assert not [one for key, one in vars(parts).items() if key != "reasons_to_keep" and one.calls]


def test_who_may_only_look_can_do_nothing(
    admin_of: Callable[..., Client], checkpoints: list[Checkpoint], parts: SimpleNamespace
) -> None:
    client = admin_of("view_checkpoint")
    for name in CheckpointAdmin.change_actions:
        assert client.post(of_one(checkpoints[0], name), {"confirmed": "yes"}).status_code == 403, name
        client.post(VIEW, chosen(name, checkpoints, confirmed="yes"))
    assert not [one for one in vars(parts).values() if one.calls]
    assert "/actions/" not in client.get(f"{VIEW}{checkpoints[0].pk}/change/").content.decode()


def test_the_twin_without_the_look_at_permissions_lets_a_viewer_protect(
    admin_of: Callable[..., Client],
    checkpoints: list[Checkpoint],
    parts: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CheckpointAdmin, "has_alter_permission", lambda self, request: True)
    admin_of("view_checkpoint").post(of_one(checkpoints[1], "protect"), {"confirmed": "yes"})
    assert len(parts.protect.calls) == 1


def test_deleting_needs_more_than_changing(
    admin_of: Callable[..., Client], checkpoints: list[Checkpoint], parts: SimpleNamespace
) -> None:
    client = admin_of("view_checkpoint", "change_checkpoint")
    assert client.post(of_one(checkpoints[1], "protect"), {"confirmed": "yes", "note": "good"}).status_code == 302
    assert client.post(of_one(checkpoints[1], "discard"), {"confirmed": "yes"}).status_code == 403
    [((_, *named), options)] = parts.protect.calls
    assert (named, options) == (["DIO", "checkpoint-200-20260101-1200"], {"by": "admin", "note": "good"})


def test_a_post_of_another_site_is_refused(checkpoints: list[Checkpoint], admin_of: Callable[..., Client]) -> None:
    client = admin_of()
    client.handler.enforce_csrf_checks = True
    assert client.post(of_one(checkpoints[0], "protect"), {"confirmed": "yes"}).status_code == 403


def test_what_is_refused_is_said_and_the_rest_is_done(
    admin_of: Callable[..., Client],
    checkpoints: list[Checkpoint],
    parts: SimpleNamespace,
) -> None:
    def refuse(world: World, hero: str, name: str, **options: Any) -> None:
        if "-200-" in name:
            raise Refused("Of 200 the sidecar is another.")

    parts.protect._answer = refuse
    page = admin_of().post(VIEW, chosen("protect", checkpoints, confirmed="yes"), follow=True).content.decode()
    assert "Of 200 the sidecar is another." in page
    assert "Protected: checkpoint-400-20260101-1200, checkpoint-300-20260101-1200." in page
    assert LogEntry.objects.count() == 2


def test_long_work_is_left_to_the_vault(
    admin_of: Callable[..., Client], checkpoints: list[Checkpoint], parts: SimpleNamespace
) -> None:
    client = admin_of()
    page = client.post(of_one(checkpoints[0], "verify"), {"confirmed": "yes"}, follow=True).content.decode()
    assert "/admin/vault/job/" in page
    client.post(VIEW, chosen("copy_to", checkpoints[:1], confirmed="yes", destination="nas"))
    assert [options for _, options in parts.add.calls] == [
        {"kind": "verify", "asset_id": "checkpoint_100_DIO_20260101-1200", "by": "admin"},
        {"kind": "push", "asset_id": "checkpoint_100_DIO_20260101-1200", "by": "admin", "destination": "nas"},
    ]
    assert (
        "This field is required"
        in client.post(VIEW, chosen("copy_to", checkpoints[:1], confirmed="yes")).content.decode()
    )


def test_only_what_runs_is_cancelled(db: None, admin_of: Callable[..., Client], parts: SimpleNamespace) -> None:
    rows = [
        Job.objects.create(kind="push", state=state, by="page", created_at=timezone.now())
        for state in ("running", "done")
    ]
    answers = {"action": "cancel", "_selected_action": [str(row.pk) for row in rows], "confirmed": "yes"}
    admin_of().post("/admin/vault/job/", answers)
    assert parts.cancel.calls == [((rows[0].pk,), {"by": "admin"})]


def test_buttons_of_a_list_need_no_row(
    admin_of: Callable[..., Client], world: World, parts: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshed: list[World] = []
    monkeypatch.setattr("vault.zones.directory.refresh", refreshed.append)
    client = admin_of()
    for address in ("asset/actions/scan/", "zone/actions/refresh/"):
        assert "Leave it" in client.post(f"/admin/vault/{address}").content.decode()
    assert (parts.add.calls, refreshed) == ([], [])
    for address in ("asset/actions/scan/", "zone/actions/refresh/"):
        assert client.post(f"/admin/vault/{address}", {"confirmed": "yes"}).status_code == 302
    assert [options for _, options in parts.add.calls] == [{"kind": "scan", "asset_id": "", "by": "admin"}]
    assert refreshed == [world]


def test_what_is_fetched_stays_in_its_folder(
    admin_of: Callable[..., Client], checkpoints: list[Checkpoint], parts: SimpleNamespace
) -> None:
    asset = Asset.objects.get(step=100)
    answers = {"confirmed": "yes", "folder": "../../outside"}
    page = admin_of().post(f"/admin/vault/asset/{asset.pk}/actions/fetch/", answers, follow=True).content.decode()
    assert "is not allowed" in page
    assert parts.add.calls == []


def test_a_copy_goes_only_by_the_keeper(admin_of: Callable[..., Client], checkpoints: list[Checkpoint]) -> None:
    """No other copy was verified lately: the keeper's own refusal is shown, and the copy stays."""
    copy = Location.objects.get(asset__step=100)
    page = (
        admin_of()
        .post(f"/admin/vault/location/{copy.pk}/actions/drop_copy/", {"confirmed": "yes"}, follow=True)
        .content.decode()
    )
    assert "no other copy was verified" in page
    assert Location.objects.filter(pk=copy.pk).exists()
