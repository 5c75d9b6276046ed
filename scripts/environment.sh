# Sourced by the scripts beside it: the checkout's own Python environment in .venv.

# What other programs set for theirs must not decide which program, packages or settings run here.
unset CDPATH PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONUSERBASE PYTHONSAFEPATH VIRTUAL_ENV
unset PIP_PREFIX PIP_ROOT PIP_TARGET PIP_USER PIP_REQUIRE_VIRTUALENV DJANGO_SETTINGS_MODULE
export PYTHONUTF8=1

find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3.14 python3 python; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "Python 3.11 or newer with its venv module is needed and was not found; install it (Debian, Ubuntu: apt-get install python3 python3-venv)." >&2
    return 1
}

# Whether .venv's interpreter starts and finds its packages. An upgrade of the system's Python may have taken it away, or
# put a release there that looks for them in another folder.
environment_runs() {
    .venv/bin/python -c 'from importlib.util import find_spec; raise SystemExit(not (find_spec("django") or find_spec("pip")))' 2>/dev/null
}

# Makes .venv if it is missing or broken and installs a lock file into it if that was not done yet. When everything is in
# place this touches neither the network nor pip: the stamp holds the digest of what was installed.
ensure_environment() {
    local lock=$1 stamp wanted
    stamp=".venv/$(basename "$lock").installed"
    wanted=$(cat requirements.lock "$lock" | cksum)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && environment_runs; then
        return
    fi
    mkdir -p .venv
    (
        # One installation at a time: a second start waits here and then finds everything in place.
        command -v flock >/dev/null && flock 9
        environment_runs && code=0 || code=$?
        if [ -L .venv ] && [ "$code" != 0 ]; then
            echo ".venv is a link to an environment that does not start; remove the link, or mend what it leads to." >&2
            exit 1
        fi
        if [ "$code" -gt 127 ]; then # ended by a signal: the machine is in trouble, and nothing is deleted for that
            echo ".venv/bin/python does not start (exit code $code); try again, or delete .venv." >&2
            exit 1
        fi
        if [ "$code" != 0 ]; then
            python=$(find_python)
            if [ -e .venv/pyvenv.cfg ] || [ -L .venv/bin/python ]; then
                echo ".venv is broken: it is made anew"
            fi
            echo "Making .venv with $("$python" --version)"
            # venv refuses links that lead nowhere. The lock stays: others may wait for it.
            find .venv/ -mindepth 1 -maxdepth 1 ! -name .lock -exec rm -rf {} +
            "$python" -m venv .venv
        fi
        [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit
        .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
        .venv/bin/python scripts/install.py "$lock"
        local held # a lock may hold another one
        for held in "$(basename "$lock")" $(sed -n 's/^-r //p' "$lock"); do
            cat requirements.lock "$held" | cksum >".venv/$held.installed"
        done
    ) 9>.venv/.lock
}
