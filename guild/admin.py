from django.contrib import admin

from guild.models import Evaluation, EvaluationTask, Run, SkillProgress
from realm.web.read_only_admin import ReadOnlyAdmin


@admin.register(Evaluation)
class EvaluationAdmin(ReadOnlyAdmin):
    list_display = ("checkpoint", "hero", "step", "skill", "level", "correct", "total", "evaluated_at")
    list_filter = ("hero", "skill", "level")
    search_fields = ("checkpoint",)


@admin.register(SkillProgress)
class SkillProgressAdmin(ReadOnlyAdmin):
    list_display = ("hero", "skill", "level", "updated_at")
    list_filter = ("hero", "skill")


@admin.register(EvaluationTask)
class EvaluationTaskAdmin(ReadOnlyAdmin):
    list_display = ("checkpoint", "hero", "skill", "level", "state", "host", "attempts", "updated_at")
    list_filter = ("state", "hero", "skill")
    search_fields = ("checkpoint",)


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("id", "kind", "title", "state", "progress_done", "progress_total", "created_at", "ended_at")
    list_filter = ("kind", "state")
