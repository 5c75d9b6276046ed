#!/usr/bin/env bash
# Looks at everything that a world (REALM_HOME, default: world/ in this folder) needs; `--help` says what else it knows.
set -euo pipefail
. "$(dirname "$0")/relative_paths.sh"
cd "$(dirname "$0")/.."
. scripts/environment.sh
ensure_environment requirements.lock
exec .venv/bin/python manage.py patrol "$@"
