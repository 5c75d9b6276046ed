from django.contrib import admin

from realm.web.read_only_admin import ReadOnlyAdmin
from vault.models import Checkpoint


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnlyAdmin):
    list_display = ("name", "hero", "step", "train_loss", "val_loss", "skill", "level", "quest", "created_at")
    list_filter = ("hero", "skill", "level")
    search_fields = ("name", "quest", "battle")
