"""For scripts that import the realm's apps without `manage.py`, such as `from vault import ask_vault_first`."""

from __future__ import annotations

import os


def ensure_django() -> None:
    """Let models be imported: where nobody has set Django up, it is, with the realm's own settings."""
    # Slow to import, and nothing for processes without Django, which import the same packages.
    import django
    from django.apps import apps

    if not apps.ready and not apps.apps_ready:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realm.settings")
        django.setup()
