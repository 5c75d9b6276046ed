"""Two small skills in place of the shipped ones, so that sets are made in no time."""

from __future__ import annotations

from pathlib import Path

import pytest

from guild.skills import registry

_TEXT = """
title: {name}
description: Arithmetic in circled notation.
icon: poison-bottle
color: "#b99af5"
trainer: guild.trainers.binary.BinaryAlchemist
quest_rows: 100
evaluation_problems: 25
validation_problems: 4
levels:
  - {{ operations: [NOT], width: 20 }}
  - {{ operations: [AND, OR, XOR], width: 10 }}
  - {{ operations: [ADD], width: 10 }}
"""


def put(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    for name in ("bin", "box"):
        (folder / f"{name}.yaml").write_text(_TEXT.format(name=name), encoding="utf-8")
    monkeypatch.setattr(registry, "SKILLS_FOLDER", folder)
