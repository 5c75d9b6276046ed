"""Where what arrives is put below a branch officer's folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from realm import strict
from vault.assets import ids
from vault.assets.manifest import Manifest, is_safe_path
from vault.errors import Refused
from vault.officer.catalog import DEEPEST, NEVER

_WORLDS_OWN = frozenset({"heroes", "current_model"})
"""Below `models/` of a world."""
_HIDDEN = (".", "~")


def usual(base: Path, manifest: Manifest) -> PurePosixPath:
    """Below `base`: checkpoints where an inference host of this machine finds them."""
    models = PurePosixPath("models") if (base / "models" / "heroes").is_dir() else PurePosixPath()
    known = ids.parse_checkpoint_id(manifest.asset_id)
    match manifest.kind:
        case ids.CHECKPOINT if known is not None and known.hero is not None:
            return models / "heroes" / known.hero / manifest.name
        case ids.CHECKPOINT:
            return PurePosixPath("checkpoints") / manifest.name
        case ids.MODEL:
            return models / manifest.name
    folder = PurePosixPath(manifest.kind)
    if ids.named_id(manifest.kind, PurePosixPath(manifest.name)) == manifest.asset_id:
        return folder / manifest.name
    return folder / manifest.asset_id / manifest.name  # others have the same name


def wanted(base: Path, destination: str, name: str) -> PurePosixPath:
    """Below `base`: in the folder `destination`, unless it ends in the asset's own name. Raises Refused.

    A whole path is taken too, where it leads below `base`.
    """
    below = destination.removesuffix("/")
    if below.startswith("/"):
        root = f"{base.as_posix().removesuffix('/')}/"
        if not f"{below}/".startswith(root):
            raise Refused(f"destination {strict.shown(destination)} does not lie below {base}")
        below = below.removeprefix(root.removesuffix("/")).removeprefix("/")
    if not below:
        return PurePosixPath(name)
    parts = below.split("/")
    if not is_safe_path(below) or "\\" in below or any(part.startswith(_HIDDEN) for part in parts):
        raise Refused(f"destination {strict.shown(destination)} is no folder below {base}")
    path = PurePosixPath(below)
    return path if path.name == name else path / name


def check_way(base: Path, path: PurePosixPath) -> Path:
    """The whole path, none of whose folders is a link or a file, or not looked into. Raises Refused."""
    owned = NEVER | (_WORLDS_OWN if path.parts[-2:-1] == ("models",) else frozenset())
    if any(part.lower() in NEVER or part.startswith(_HIDDEN) for part in path.parts) or path.name.lower() in owned:
        raise Refused(f"destination {strict.shown(str(path))}: nothing is put there")
    if len(path.parts) > DEEPEST:
        raise Refused(f"destination {strict.shown(str(path))} lies deeper than anything is looked for")
    here = base
    for part in path.parts[:-1]:
        here = here / part
        if here.is_symlink() or (here.exists() and not here.is_dir()):
            raise Refused(f"{here.relative_to(base)} is no folder of its own")
    return base / path
