#!/usr/bin/env bash
# Shows what holds under faults: `scripts/campaign.sh NAME [--quick|--count N] [--seed S] [--json]`; `--help` names the campaigns.
# Prints figures beside what is promised and ends with 1 where a promise is broken. Worlds are temporary ones.
set -euo pipefail
unset CDPATH
cd "$(dirname "$0")/.."
. scripts/environment.sh
ensure_environment requirements.lock
for variable in $(compgen -e | grep '^REALM_' || true); do unset "$variable"; done
exec .venv/bin/python -m tests.campaigns "$@"
