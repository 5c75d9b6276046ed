"""Skill files of a test's own, in place of the shipped ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from guild.skills import registry


def put(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, trainer: str, levels: str, more: str = "") -> Path:
    """One file more in `folder`, which becomes the folder of skills."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(
        f"title: {name}\ndescription: Made for a test.\nicon: spell-book\ncolor: '#79b8ec'\nquest_rows: 60\n"
        f"evaluation_problems: 5\nvalidation_problems: 4\ntrainer: {trainer}\nlevels: {levels}\n{more}",
        encoding="utf-8",
    )
    monkeypatch.setattr(registry, "SKILLS_FOLDER", folder)
    return path
