"""The world's own secrets, each made when it is first needed, readable by their owner only."""

from __future__ import annotations

import os
import secrets

from realm.world import World


def load_or_create(world: World, name: str = "django_secret_key") -> str:
    """The text of the file `name` in the world's secrets; by default Django's key.

    Processes that start together agree: the file is created exclusively by one, read by the others.
    """
    path = world.secrets / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    staged = path.with_name(f".tmp-{path.name}-{secrets.token_hex(4)}")
    if not path.exists():
        handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(64))
                file.flush()
                os.fsync(file.fileno())
            os.link(staged, path)
        except FileExistsError:
            pass
        finally:
            staged.unlink()
    return path.read_text(encoding="ascii").strip()
