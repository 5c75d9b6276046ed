#!/usr/bin/env bash
# Sets everything up and starts every service of the world (REALM_HOME, default: world/ in this folder).
# Safe to run again: what is installed is not installed again, what runs goes on running.
set -euo pipefail
umask 077
. "$(dirname "$0")/relative_paths.sh"
cd "$(dirname "$0")/.."
. scripts/environment.sh
ensure_environment requirements.lock
exec .venv/bin/python manage.py weave --daemon
