"""Accounts, with what Django itself writes to be read only, and lists in place of its two-sided pickers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User

# Django's class takes its type argument in the stubs only.
if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
else:
    _UserAdmin = UserAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class AccountAdmin(_UserAdmin):
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()


@admin.register(Group)
class AccountGroupAdmin(GroupAdmin):
    filter_horizontal = ()
