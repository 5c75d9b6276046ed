#!/usr/bin/env bash
# Measures the rows of the performance table that this machine can show, beside the peer, interleaved, medians.
# `scripts/bench.sh --json` prints one object a line. Nothing here is a test: figures depend on the machine.
set -euo pipefail
unset CDPATH
cd "$(dirname "$0")/.."
. scripts/environment.sh
ensure_environment requirements.lock
ensure_environment requirements-test.lock
exec .venv/bin/python -m scripts.bench "$@"
