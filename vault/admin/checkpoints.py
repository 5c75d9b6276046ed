from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone

from guild.champion import crown
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from vault.admin import checkpoint_acts as acts
from vault.admin.base import VaultAdmin
from vault.admin.columns import NOTHING, age, page_of, rows_of, size, when_verified
from vault.admin.confirming import confirmed
from vault.admin.copies import Copies, copies_of
from vault.admin.counted import YES_NO, Facet
from vault.assets.ids import checkpoint_id, parse_checkpoint_id
from vault.models import Checkpoint
from vault.strongholds.registry import LOCAL

LATELY_DAYS = 30


def _how_long_ago() -> dict[str, Q]:
    lately = timezone.now() - timedelta(days=LATELY_DAYS)
    return {
        "lately": Q(verified_at__gte=lately),
        "long ago": Q(verified_at__lt=lately),
        "never": Q(verified_at__isnull=True),
    }


VERIFIED = Facet(
    parameter="verified",
    title="last verified",
    labels={"lately": f"In the last {LATELY_DAYS} days", "long ago": "Longer ago", "never": "Never"},
    conditions=_how_long_ago,
)
HERO = Facet(parameter="hero", title="hero")
BRANCH = Facet(parameter="branch", title="branch", labels={"": "1"})
SKILL = Facet(parameter="skill", title="skill")
LEVEL = Facet(parameter="level", title="level")


def step_or_id(term: str) -> Q | None:
    """Checkpoints, and assets that are checkpoints, by `175000` or `checkpoint_175000_DIO_20251127-1430`."""
    if term.isdecimal() and len(term) < 19:
        return Q(step=int(term))
    known = parse_checkpoint_id(term)
    return Q(step=known.step) & (Q(hero=known.hero) if known.hero else Q()) if known else None


class OfCheckpoints(VaultAdmin):
    """What the lists of checkpoints and of the ledger share."""

    texts = ("name", "quest", "battle")
    ordering = ("-step", "-pk")  # as the index of steps has them

    def find_exactly(self, term: str) -> Q | None:
        known = parse_checkpoint_id(term)
        return Q(hero=known.hero, name=known.name) if known and known.name else step_or_id(term)

    def asset_id_of(self, row: Checkpoint) -> str:
        return checkpoint_id(row.hero, row.name)

    @admin.display(description="age", ordering="created_at")
    def age(self, row: Checkpoint) -> str:
        return age(row.created_at)

    @admin.display(description="branch", ordering="branch")
    def on_branch(self, row: Checkpoint) -> str:
        return row.branch or "1"

    @admin.display(description="page")
    def page(self, row: Checkpoint) -> str:
        return page_of(row.hero, row.name)


@admin.register(Checkpoint)
class CheckpointAdmin(OfCheckpoints):
    list_display = (
        "name", "hero", "step", "size", "age", "copies", "where", "verified", "champion", "kept", "on_branch",
        "page",
    )  # fmt: skip
    facets = (
        HERO,
        BRANCH,
        SKILL,
        LEVEL,
        Facet(parameter="protected", title="protected", labels=YES_NO),
        Facet(parameter="weights_only", title="weights only", labels=YES_NO),
        VERIFIED,
    )
    verify = confirmed(acts.Verify())
    protect = confirmed(acts.Protect())
    unprotect = confirmed(acts.Unprotect())
    promote = confirmed(acts.Promote())
    unpin = confirmed(acts.Unpin())
    export = confirmed(acts.Export())
    copy_to = confirmed(acts.CopyTo())
    discard = confirmed(acts.Delete())
    actions = change_actions = (
        "verify", "protect", "unprotect", "promote", "unpin", "export", "copy_to", "discard",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("name", "hero", "step", "on_branch", "size", "age", "page", "asset")}),
        ("Safety", {"fields": ("copies", "where", "verified", "champion", "kept", "weights_only")}),
        ("Training", {"fields": ("quest", "battle", "parent", "skill", "level", "train_loss", "val_loss", "epoch")}),
        ("Files", {"fields": ("sidecar_sha256", "files")}),
    )

    def prepare(self, rows: list[Any]) -> None:
        found = copies_of(self.asset_id_of(row) for row in rows)
        champions = {hero: crown.holders(settings.WORLD, hero) for hero in {row.hero for row in rows}}
        for row in rows:
            row.copies = found.get(self.asset_id_of(row), Copies())
            if LOCAL not in row.copies.whole and not any(text.startswith(LOCAL) for text in row.copies.broken):
                row.copies.whole.insert(0, LOCAL)
            row.is_champion = row.name in champions[row.hero]

    @admin.display(description="size", ordering="size_bytes")
    def size(self, row: Checkpoint) -> str:
        return size(row.size_bytes)

    @admin.display(description="copies")
    def copies(self, row: Any) -> int:
        return len(row.copies.whole)

    @admin.display(description="where")
    def where(self, row: Any) -> str:
        return str(row.copies)

    @admin.display(description="verified", ordering="verified_at")
    def verified(self, row: Checkpoint) -> str:
        return when_verified(row.verified_at)

    @admin.display(description="champion")
    def champion(self, row: Any) -> str:
        return "champion" if row.is_champion else NOTHING

    @admin.display(description="protected", ordering="protected")
    def kept(self, row: Checkpoint) -> str:
        return "protected" if row.protected else NOTHING

    @admin.display(description="asset")
    def asset(self, row: Checkpoint) -> str:
        return rows_of("asset", self.asset_id_of(row), search=self.asset_id_of(row))

    @admin.display(description="files")
    def files(self, row: Checkpoint) -> str:
        """With their digests, as the sidecar has them."""
        try:
            read = sidecar.read(settings.WORLD.heroes / row.hero / row.name)
        except (DamagedCheckpoint, OSError) as error:
            return f"Its sidecar cannot be read: {error}"
        return render_to_string("admin/vault/files.html", {"files": sorted(read.files.items())})
