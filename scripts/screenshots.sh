#!/usr/bin/env bash
# Writes a picture of each state of the battle scene and of each page into a folder: `scripts/screenshots.sh [FOLDER] [--only WORD]`.
# 1440, 1024 and 390 px wide, in the dark theme and in parchment; the world is a temporary one. Needs Chromium.
set -euo pipefail
unset CDPATH
cd "$(dirname "$0")/.."
. scripts/environment.sh
ensure_environment requirements.lock
for variable in $(compgen -e | grep '^REALM_' || true); do unset "$variable"; done
exec .venv/bin/python -m tests.e2e.screenshots "$@"
