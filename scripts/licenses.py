"""Writes the licence of every package of the locks to standard output, from pip-licenses' JSON on standard input.

The texts of what lies in this repository and is not its own follow in full; a package's own text comes with it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name

from scripts.lock_files import CHECKOUT, RUNTIME, TORCH, Pin, pins

COPYLEFT = re.compile(r"GPL|General Public|MPL|Mozilla|EPL|Eclipse|Artistic|CDDL|EUPL")
UNKNOWN = "UNKNOWN"
OF_OTHERS = ("static/vendor", "guild/trainers/data")
"""Where works of others lie in this repository, each folder with their texts."""
_TEXTS = re.compile(r"(.*-)?LICEN[CS]ES?(\.txt)?|CREDITS\.md")


def main() -> None:
    told = {canonicalize_name(each["Name"]): each for each in json.load(sys.stdin)}
    sys.stdout.writelines(f"{line}\n" for line in document(told))


def document(told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """`told` is what pip-licenses knows of the packages installed here, by canonical name."""
    yield "Works of others that the Realm of Training stands on. Written by scripts/licenses.sh."
    yield ""
    yield "* marks licences that ask for their own terms in what is passed on (copyleft), ? where a package tells none."
    yield "Nothing of these packages is part of this repository or its archives: pip fetches each, with its own text."
    locks = {
        "what the realm runs on": (RUNTIME, TORCH),
        "what its tests add": ("requirements-test.lock",),
        "what a release adds": ("requirements-release.lock",),
    }
    for what, names in locks.items():
        yield from ("", f"== {what} ==", "")
        yield from (_line(pin, told.get(pin.name, {})) for pin in sorted(pins(*names), key=lambda pin: pin.name))
    yield ""
    yield "torch brings libraries of NVIDIA (cuda-*, nvidia-*) where its build asks for them, under NVIDIA's own terms."
    for folder in OF_OTHERS:
        for path in sorted((CHECKOUT / folder).rglob("*")):
            if _TEXTS.fullmatch(path.name):
                yield from ("", f"== {path.relative_to(CHECKOUT)} ==", "", path.read_text().rstrip())


def _line(pin: Pin, told: Mapping[str, Any]) -> str:
    license = str(told.get("License", UNKNOWN))
    if license == UNKNOWN and pin.requirement.marker:
        license = f"only where {pin.requirement.marker}"
    mark = "*" if COPYLEFT.search(license) else "?" if license == UNKNOWN else " "
    return f"{mark} {pin.name} {pin.version}: {license}"


if __name__ == "__main__":
    main()
