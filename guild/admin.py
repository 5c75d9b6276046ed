from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from guild.models import Evaluation, SkillProgress


class ReadOnlyAdmin(admin.ModelAdmin[Model]):
    """Rows come from judged answers; a hand-made one would be a number that nobody measured."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Evaluation)
class EvaluationAdmin(ReadOnlyAdmin):
    list_display = ("checkpoint", "hero", "step", "skill", "level", "correct", "total", "evaluated_at")
    list_filter = ("hero", "skill", "level")
    search_fields = ("checkpoint",)


@admin.register(SkillProgress)
class SkillProgressAdmin(ReadOnlyAdmin):
    list_display = ("hero", "skill", "level", "updated_at")
    list_filter = ("hero", "skill")
