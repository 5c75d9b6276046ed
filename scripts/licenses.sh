#!/usr/bin/env bash
# Writes licenses/THIRD_PARTY.txt: every package of the locks with its licence, and the texts of what others made and lies here.
set -euo pipefail
unset CDPATH
cd "$(dirname "$0")/.."
. scripts/environment.sh
ensure_environment requirements-test.lock
ensure_environment requirements-release.lock
mkdir -p licenses
.venv/bin/pip-licenses --python .venv/bin/python --from mixed --with-system --format json | .venv/bin/python -m scripts.licenses >licenses/.new
mv licenses/.new licenses/THIRD_PARTY.txt
