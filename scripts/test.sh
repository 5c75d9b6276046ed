#!/usr/bin/env bash
# Installs what the tests need and runs every check: format, lint, types, import contracts, migrations, tests with
# branch coverage. `scripts/test.sh --quick` leaves out the slow ones and the browser. Further arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
ensure_environment requirements.lock
ensure_environment requirements-test.lock

selection=()
if [ "${1:-}" = "--quick" ]; then
    shift
    selection=(-m "not slow" --ignore=tests/e2e)
fi

has_chromium() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; }

install_chromium() {
    local root=()
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" = 0 ] || root=(sudo -n)
    echo "Installing Chromium for the browser tests"
    "${root[@]}" apt-get update -qq && "${root[@]}" apt-get install -y -qq --no-install-recommends chromium
}

if [ ${#selection[@]} = 0 ] && ! has_chromium && ! install_chromium; then
    echo "Chromium is not there and could not be installed: the browser tests will be reported as skipped." >&2
fi

# A world of their own: checks that load the settings must not touch the player's.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for variable in $(compgen -e | grep '^REALM_' || true); do unset "$variable"; done
export REALM_HOME="$scratch/world"

bin=.venv/bin
"$bin/ruff" format --check .
"$bin/ruff" check .
"$bin/mypy"
"$bin/lint-imports"
"$bin/python" manage.py makemigrations --check --dry-run
"$bin/coverage" run -m pytest "${selection[@]}" "$@"
"$bin/coverage" report --skip-covered
