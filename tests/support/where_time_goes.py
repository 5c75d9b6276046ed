"""The table at the end of a run: seconds by folder of tests, summed over the workers."""

from __future__ import annotations

from collections import Counter

import pytest


class TimeTable:
    """A plugin of pytest."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()
        self._tests: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        folder = report.nodeid.partition("::")[0].rpartition("/")[0]
        self._seconds[folder] += report.duration
        self._tests[folder] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("where the time goes, in seconds of all workers")
        for folder, seconds in self._seconds.most_common():
            terminalreporter.write_line(f"{seconds:8.1f}  {self._tests[folder]:5d} tests  {folder}")
        terminalreporter.write_line(f"{self._seconds.total():8.1f}  {self._tests.total():5d} tests  in all")
