#!/usr/bin/env bash
# Writes requirements.lock (what start_all.sh installs) and requirements-test.lock (what test.sh adds), from pyproject.toml.
# The lock carries no hashes: torch==2.13.0 is a different file on machines with and without a GPU.
set -euo pipefail
unset CDPATH
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 -m venv "$scratch/venv"
pip="$scratch/venv/bin/pip"
"$pip" install --quiet --upgrade pip
"$scratch/venv/bin/python" - >"$scratch/runtime.in" <<'PY'
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print("\n".join(project["dependencies"] + project["optional-dependencies"]["train"]))
PY

freeze() { "$pip" freeze | grep -viE '^(pip|setuptools|nvidia-c[a-z]+|nvidia-n[cv][a-z]+|triton|cuda-)' | sed -E 's/^torch @.*/torch==2.13.0/; s/^torch==.*/torch==2.13.0/; s/^(backports.zstd==.*)/\1; python_version < "3.14"/'; }

"$pip" install --quiet -r "$scratch/runtime.in"
{ echo "# Written by scripts/lock_requirements.sh"; freeze; } >requirements.lock
"$pip" install --quiet --group test --group lint --group bench
{ echo "# Written by scripts/lock_requirements.sh"; echo "-r requirements.lock"; freeze | grep -vxFf requirements.lock; } >requirements-test.lock
