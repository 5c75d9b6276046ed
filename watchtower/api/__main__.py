"""`python -m watchtower.api`: the vault's own process. `manage.py vault serve` becomes it."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from django.core.exceptions import ImproperlyConfigured

from realm.logs import configuration
from realm.weaver.services import VAULT

_SETTINGS = "watchtower.api.settings"


def main() -> None:
    parser = argparse.ArgumentParser(prog="manage.py vault serve", description="Serve the vault's API until Ctrl+C.")
    parser.add_argument("--port", type=int, help="default: vault_port of the settings, 8767")
    parser.add_argument("--bind", help="default: vault_bind of the settings, 127.0.0.1")
    arguments = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = _SETTINGS
    try:
        configuration.with_django(importlib.import_module(_SETTINGS), VAULT)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    _serve(arguments.port, arguments.bind)


def _serve(port: int | None, bind: str | None) -> None:
    import django

    django.setup()
    # All of these need the settings.
    from django.conf import settings
    from django.db import DatabaseError

    from realm import newer_world
    from realm.databases import unready as unready_database
    from realm.newer_world import NewerWorld
    from realm.web.serve import CannotServe
    from realm.web.tokens import BadTokens
    from vault.errors import VaultError
    from vault.models import Job
    from watchtower.api import process

    config = settings.REALM
    try:
        newer_world.check(settings.WORLD)
        Job.objects.exists()
        process.run(
            settings.WORLD,
            config,
            address=bind or config.vault_bind,
            port=config.vault_port if port is None else port,
        )
    except DatabaseError as error:
        sys.exit(unready_database.sentence(error))
    except (CannotServe, BadTokens, VaultError, NewerWorld) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
