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

unset PYTHONDONTWRITEBYTECODE # tests start hundreds of processes: each would compile all of it anew

bin=.venv/bin
phases=()
took() { phases+=("$(printf '%6d s  %s' $((SECONDS - $2)) "$1")"); }
# A phase that fails ends the script. Behind `||` or in a condition bash would pass over its failure.
phase() {
    local name=$1 begun=$SECONDS
    shift
    "$@"
    took "$name" "$begun"
}

PATH=$PATH:/usr/sbin:/sbin # where nginx, ip and sshd lie
absent=()
quick= coverage=
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=yes ;;
        --coverage) coverage=yes ;;
        *) break ;;
    esac
    shift
done

# Chromium without windows does with half the work what the whole one does.
has_chromium() {
    local name
    for name in chromium-headless-shell chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null && return
    done
    return 1
}

has_postgresql() { command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }

# What tests let the realm work with: a browser, other programs that pull from it, programs that it hands backups to, the
# servers that an outgrown realm has, proxies before it, and what reads units for systemd.
missing_programs() {
    has_chromium || echo chromium-headless-shell
    local pair
    for pair in curl:curl aria2c:aria2 restic:restic borg:borgbackup sshd:openssh-server ip:iproute2 \
        redis-server:redis-server nginx:nginx caddy:caddy systemd-analyze:systemd; do
        command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
    done
    has_postgresql || echo postgresql
}

# All at once, or each that there is. No server that comes with a package is started: packages ask a program first, and it
# says no.
install_programs() (
    root=() policy=/usr/sbin/policy-rc.d
    command -v apt-get >/dev/null || exit 1
    [ "$(id -u)" = 0 ] || root=(sudo -n)
    if [ ! -e "$policy" ]; then
        trap '"${root[@]}" rm -f "$policy"' EXIT
        "${root[@]}" sh -c 'printf "#!/bin/sh\nexit 101\n" >"$0" && chmod 755 "$0"' "$policy"
    fi
    get=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
    get_all() { "${get[@]}" install -y --no-install-recommends "$@"; }
    "${get[@]}" update
    get_all "$@" && exit
    for each in "$@"; do
        get_all "$each" || true
    done
    has_chromium || get_all chromium # where there is no package without windows
)

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
    "$bin/python" -m compileall -q -j 0 realm arena guild vault sentinels watchtower tavern tests/support || true
    wait || true
    [ -n "$quick" ] || mapfile -t absent < <(missing_programs)
}

format() { "$bin/ruff" format --check . && "$bin/ruff" check .; }
# On a machine where many work, a test of real processes may find one too slow. Up to three are tried a second time; what
# failed first stands in full at the end, so that it is mended and not forgotten.
once_more=(--reruns 1 --max-suite-reruns 3 --rerun-show-tracebacks)
tests() {
    if [ -n "$coverage" ]; then
        "$bin/coverage" run -m pytest "$@" && "$bin/coverage" report --skip-covered
    elif [ -n "$quick" ]; then
        "$bin/python" -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations=10 -m "not slow" --ignore=tests/e2e "$@"
    else
        "$bin/python" -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations=25 "${once_more[@]}" "$@"
    fi
}

# Tests that ask the database, once more on PostgreSQL: where most is asked. Beside them, a battle on both servers.
on_servers() {
    if ! has_postgresql || ! command -v redis-server >/dev/null; then
        echo "PostgreSQL or Redis is not there: no test has run on them." >&2
        return
    fi
    local status=0 battle each ignored=()
    # They start processes or read many files, and ask little.
    for each in vault/treasury tavern/oracle tavern/scheduler tavern/quests/test_token_mirror.py watchtower/streams \
        watchtower/test_battle_socket.py; do
        ignored+=("--ignore=tests/$each")
    done
    "$bin/python" -m tests.campaigns servers --quick >"$scratch/battle" 2>&1 &
    battle=$!
    "$bin/python" -m tests.support.database_servers "$bin/python" -m pytest -q -n 3 --dist loadfile \
        --no-loadscope-reorder --reuse-db "${once_more[@]}" -m "not slow" "${ignored[@]}" tests/realm/databases/test_on_postgresql.py \
        tests/arena/management tests/arena/test_jobs.py tests/guild/champion tests/guild/evaluation tests/guild/work tests/guild/workers \
        tests/vault tests/tavern tests/watchtower tests/sentinels || status=1
    wait "$battle" || status=1
    cat "$scratch/battle"
    return "$status"
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
if [ -z "$quick$coverage" ] && [ $# = 0 ]; then
    begun=$SECONDS
    on_servers || status=1
    took "tests on PostgreSQL and Redis" "$begun"
fi
wait "$checking" || status=1
cat "$scratch/types"
printf '%s\n' "${phases[@]}" "$(printf '%6d s  in all' "$SECONDS")"
if [ ${#absent[@]} -gt 0 ]; then
    echo "Not there and could not be installed: ${absent[*]}. Tests that need them were skipped." >&2
fi
exit "$status"
