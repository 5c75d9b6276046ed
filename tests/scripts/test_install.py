"""What an installation says: which torch and why, and a line for each package."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from scripts import install

PIN = "torch==2.13.0"


def offered(*needs: str) -> dict[str, Any]:
    url = "https://files.example/torch-2.13.0%2Bcpu-cp311.whl"
    return {"download_info": {"url": url}, "metadata": {"requires_dist": ["filelock", *needs]}}


@pytest.mark.parametrize(
    ("needs", "driver", "parts"),
    [
        ((), "", ("the CPU build, since torch-2.13.0+cpu-cp311.whl", "no NVIDIA driver here it trains on the CPU")),
        ((), "550.54", ("the CPU build", "NVIDIA driver 550.54 here it will not use the GPU")),
        (("nvidia-cudnn-cu13==9",), "550.54", ("the CUDA build", "it trains on the GPU")),
        (("cuda-bindings>=13",), "", ("the CUDA build", "no NVIDIA driver here it trains on the CPU all the same")),
    ],
)
def test_the_build_is_told_by_what_it_needs(needs: tuple[str, ...], driver: str, parts: tuple[str, ...]) -> None:
    sentence = install.torch_sentence(PIN, offered(*needs), driver=driver)
    assert all(part in sentence for part in (PIN, *parts))


def test_a_build_that_pip_cannot_tell_is_not_guessed() -> None:
    sentence = install.torch_sentence(PIN, None, driver="")
    assert "CPU" not in sentence
    assert "CUDA" not in sentence


def test_the_lock_pins_torch_in_the_one_spelling() -> None:
    assert install._pinned_torch() == PIN


PIP_SAYS = """\
Looking in indexes: https://pypi.org/simple
Collecting markdown-it-py==4.3.0 (from -r requirements.lock (line 42))
  Downloading markdown_it_py-4.3.0-py3-none-any.whl.metadata (7 kB)
  Downloading markdown_it_py-4.3.0-py3-none-any.whl (96 kB)
Processing /nowhere/torch-2.13.0%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl (from -r requirements.lock (line 70))
Requirement already satisfied: idna==3.20 in .venv/lib
Using cached Automat-25.4.16.tar.gz (129.6 MB)
Installing collected packages: markdown-it-py, torch, Automat
Successfully installed Automat-25.4.16 markdown-it-py-4.3.0 torch-2.13.0+cpu
"""


def test_each_package_is_one_line_with_size_and_seconds() -> None:
    seconds = itertools.count()
    assert list(install.told(PIP_SAYS.splitlines(keepends=True), lambda: float(next(seconds)))) == [
        "  markdown_it_py 4.3.0, 96 kB, 1.0 s",
        "  torch 2.13.0+cpu, size unknown, 1.0 s",
        "  Automat 25.4.16, 129.6 MB, 1.0 s",
        "Installing collected packages: markdown-it-py, torch, Automat",
        "Successfully installed Automat-25.4.16 markdown-it-py-4.3.0 torch-2.13.0+cpu",
    ]


def test_packages_are_compiled_and_what_no_python_compiles_is_passed_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sound.py").write_text("answer = 42\n")
    (tmp_path / "old.py").write_text("print 'so it was'\n")
    install.compile_packages(tmp_path)
    assert [path.name.partition(".")[0] for path in tmp_path.rglob("*.pyc")] == ["sound"]
    assert capfd.readouterr().err == ""
