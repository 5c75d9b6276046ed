"""What was parsed before is not parsed again, and is nobody's to change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from realm import yaml_files
from realm.yaml_files import read_yaml


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    texts: list[str] = []
    parse = yaml_files.parse_yaml
    monkeypatch.setattr(yaml_files, "parse_yaml", lambda text: texts.append(text) or parse(text))
    yaml_files._parsed_before.cache_clear()
    return texts


def test_the_same_text_is_parsed_once_and_what_a_reader_changes_stays_its_own(
    tmp_path: Path, parsed: list[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("training: {epochs: 2}\n")
    first = read_yaml(file)
    first["training"]["epochs"] = 9
    assert read_yaml(file) == {"training": {"epochs": 2}}
    assert len(parsed) == 1


def test_another_text_of_the_same_size_and_time_is_read_anew(tmp_path: Path, parsed: list[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("port: 8888\n")
    then = file.stat().st_mtime_ns
    assert read_yaml(file) == {"port": 8888}
    file.write_text("port: 8899\n")
    os.utime(file, ns=(then, then))
    assert read_yaml(file) == {"port": 8899}
    assert len(parsed) == 2
