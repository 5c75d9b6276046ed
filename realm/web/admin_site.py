"""The admin of the whole realm: `/admin/`."""

from __future__ import annotations

import os
import shlex
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth import get_user_model
from django.http import HttpRequest

_NEW_ACCOUNT = ".venv/bin/python manage.py createsuperuser"


class RealmAdminSite(AdminSite):
    site_header = "Realm of Training"
    site_title = "Realm"
    index_title = "Vault and records"
    enable_nav_sidebar = False  # wide lists need the room

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """With the line by which one gets an account, where nobody is logged in."""
        context = super().each_context(request)
        if not context["has_permission"]:
            context |= {"new_account": _new_account(), "is_first": not _is_anybody_here()}
        return context

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Apps and their tables as they were registered, what is Django's own behind them."""
        apps = self._build_app_dict(request, app_label)
        models = list(self._registry)
        ordered: dict[str, Any] = {}
        for model in sorted(models, key=lambda model: model.__module__.startswith("django.")):
            if app := apps.get(model._meta.app_label):
                ordered[app["app_label"]] = app
        for app in ordered.values():
            app["models"].sort(key=lambda entry: models.index(entry["model"]))
        return list(ordered.values())


def _new_account() -> str:
    """The same world's, wherever this server's variables are not set."""
    home = f"REALM_HOME={shlex.quote(str(settings.WORLD.home))} " if os.environ.get("REALM_HOME") else ""
    return home + _NEW_ACCOUNT


def _is_anybody_here() -> bool:
    return get_user_model().objects.filter(is_staff=True, is_active=True).exists()
