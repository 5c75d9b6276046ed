from __future__ import annotations

from django import template

from vault.admin import columns

register = template.Library()
register.filter("size", columns.size)
register.filter("when_verified", columns.when_verified)
