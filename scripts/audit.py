"""Asks pip-audit for known vulnerabilities of a lock's packages: 1 where there are some, 0 where none or no answer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

COMMAND = (sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off")


def main() -> int:
    lock = sys.argv[1]
    answer = subprocess.run([*COMMAND, "--format", "json", "-r", lock], capture_output=True, text=True)
    try:
        found = list(vulnerabilities(answer.stdout))
    except ValueError:
        reason = (answer.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        print(f"{lock} could not be audited: {reason}")
        return 0
    print(f"{lock}: {len(found)} known vulnerabilities", *found, sep="\n  ")
    return 1 if found else 0


def vulnerabilities(report: str) -> Iterator[str]:
    """One sentence each, of pip-audit's JSON. Raises ValueError where it is none."""
    for package in json.loads(report)["dependencies"]:
        for each in package.get("vulns", ()):
            fixed = ", ".join(each["fix_versions"]) or "no release yet"
            yield f"{package['name']} {package['version']}: {each['id']}, mended in {fixed}"


if __name__ == "__main__":
    sys.exit(main())
