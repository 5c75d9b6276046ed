#!/usr/bin/env bash
# Installs what the tests need and runs every check: format, lint, types, import contracts, migrations, tests.
#   scripts/test.sh              everything, in two processes
#   scripts/test.sh --quick      without the slow tests and the browser
#   scripts/test.sh --coverage   everything, with branch coverage, in one process
# Further arguments go to pytest. A table at the end says where the time went.
set -euo pipefail
unset CDPATH
cd "$(dirname "$0")/.."
. scripts/environment.sh

phases=()
took() { phases+=("$(printf '%6d s  %s' $((SECONDS - $2)) "$1")"); }
# A phase that fails ends the script. Behind `||` or in a condition bash would pass over its failure.
phase() {
    local name=$1 begun=$SECONDS
    shift
    "$@"
    took "$name" "$begun"
}

quick= coverage=
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=yes ;;
        --coverage) coverage=yes ;;
        *) break ;;
    esac
    shift
done

has_chromium() { command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; }

# What tests let the realm work with: a browser, other programs that pull from it, programs that it hands backups to.
missing_programs() {
    has_chromium || echo chromium
    local pair
    for pair in curl:curl aria2c:aria2 restic:restic borg:borgbackup sshd:openssh-server ip:iproute2; do
        command -v "${pair%%:*}" >/dev/null || [ -x "/usr/sbin/${pair%%:*}" ] || echo "${pair##*:}"
    done
}

install_programs() {
    local root=()
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" = 0 ] || root=(sudo -n)
    "${root[@]}" apt-get update -qq && "${root[@]}" apt-get install -y -qq --no-install-recommends "$@"
}

install() {
    # These come from another place than the packages: both at once.
    local programs=()
    [ -n "$quick" ] || mapfile -t programs < <(missing_programs)
    if [ ${#programs[@]} -gt 0 ]; then
        echo "Installing for the tests: ${programs[*]}"
        install_programs "${programs[@]}" >/dev/null 2>&1 &
    fi
    ensure_environment requirements-test.lock # which holds the other one: all in one go
    ensure_environment requirements.lock
    wait || true
    [ -n "$quick" ] || mapfile -t programs < <(missing_programs)
    if [ -z "$quick" ] && [ ${#programs[@]} -gt 0 ]; then
        echo "Not there and could not be installed: ${programs[*]}. Tests that need them will be reported as skipped." >&2
    fi
}

bin=.venv/bin
format() { "$bin/ruff" format --check . && "$bin/ruff" check .; }
tests() {
    if [ -n "$coverage" ]; then
        "$bin/coverage" run -m pytest "$@" && "$bin/coverage" report --skip-covered
    elif [ -n "$quick" ]; then
        "$bin/python" -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations=10 -m "not slow" --ignore=tests/e2e "$@"
    else
        "$bin/python" -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations=25 "$@"
    fi
}

phase installing install

# A world of their own: checks that load the settings must not touch the player's.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for variable in $(compgen -e | grep '^REALM_' || true); do unset "$variable"; done
export REALM_HOME="$scratch/world"

phase "format and lint" format
phase templates "$bin/djlint" templates --check --lint
phase "import contracts" "$bin/lint-imports"
phase migrations "$bin/python" manage.py makemigrations --check --dry-run

# Types are checked beside the tests, which often wait for processes of their own.
types() { "$bin/mypy" >"$scratch/types" 2>&1; }
types &
checking=$!
status=0 begun=$SECONDS
tests "$@" || status=$?
took tests "$begun"
wait "$checking" || status=1
cat "$scratch/types"
printf '%s\n' "${phases[@]}" "$(printf '%6d s  in all' "$SECONDS")"
exit "$status"
