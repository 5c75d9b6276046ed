from django.contrib import admin

from guild.models import Evaluation, SkillProgress
from realm.read_only_admin import ReadOnlyAdmin


@admin.register(Evaluation)
class EvaluationAdmin(ReadOnlyAdmin):
    list_display = ("checkpoint", "hero", "step", "skill", "level", "correct", "total", "evaluated_at")
    list_filter = ("hero", "skill", "level")
    search_fields = ("checkpoint",)


@admin.register(SkillProgress)
class SkillProgressAdmin(ReadOnlyAdmin):
    list_display = ("hero", "skill", "level", "updated_at")
    list_filter = ("hero", "skill")
