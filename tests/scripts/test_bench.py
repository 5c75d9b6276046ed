"""The bench's own arithmetic, and that its GPU rows run where neither Django nor the peer is installed."""

import json
import subprocess
import sys

import pytest

from realm.world import CHECKOUT
from scripts.bench.runs import row, stalls_ms

ABSENT = ("django", "channels", "trl", "datasets", "guild", "rich", "watchdog")
"""What a bare GPU machine need not have."""


def test_a_stall_is_what_a_step_takes_longer_than_a_median_one() -> None:
    took = [0.01] * 40
    took[20] += 0.5  # the step after the save at step 20
    ends = [sum(took[: count + 1]) for count in range(len(took))]
    assert stalls_ms(ends, [20]) == pytest.approx([500])
    assert stalls_ms(ends, [30]) == pytest.approx([0], abs=1e-6)


def test_a_ratio_above_one_is_better_either_way() -> None:
    assert row("x", 10, 5, "tokens/s")["ratio"] == 2
    assert row("x", 10, 5, "s", lower=True)["ratio"] == 0.5
    assert row("x", 10, None, "s")["ratio"] is None


def blocked(program: str) -> subprocess.CompletedProcess[str]:
    """`program` in an interpreter that cannot import what is ABSENT."""
    script = f"import runpy, sys\nsys.modules.update(dict.fromkeys({ABSENT!r}))\n{program}"
    return subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, timeout=300)


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    return blocked(f"sys.argv = ['bench', *{options!r}]\nrunpy.run_module('scripts.bench', run_name='__main__')")


@pytest.mark.large
@pytest.mark.timeout(400)
def test_the_gpu_rows_need_no_django() -> None:
    shape = ("--gpu", "--shape", "tiny", "--device", "cpu", "--quick", "--repeats", "1", "--json")
    done = bench(*shape, "--only", "resume,P9,P16")
    assert done.returncode == 0, done.stderr
    rows = {row["id"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert set(rows) == {"resume", "P9", "P16"}
    assert (rows["resume"]["ours"], rows["resume"]["interrupted"]) == (1.0, True)


@pytest.mark.slow
def test_the_gpu_rows_can_be_loaded_without_django() -> None:
    done = blocked("import scripts.bench.gpu")
    assert done.returncode == 0, done.stderr


def test_the_cpu_rows_do_and_the_fence_sees_it() -> None:
    """The twin: what is blocked is really out of reach."""
    done = bench("--only", "P1")
    assert done.returncode != 0
    assert "'guild' is not a package" in done.stderr
