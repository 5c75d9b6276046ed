# Sourced by the scripts beside it: the checkout's own Python environment in .venv.

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

# Makes .venv if it is missing and installs a lock file into it if that was not done yet. When everything is in place
# this touches neither the network nor pip: the stamp holds the digest of what was installed.
ensure_environment() {
    local lock=$1 stamp wanted
    stamp=".venv/$(basename "$lock").installed"
    wanted=$(cat requirements.lock "$lock" | cksum)
    if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    mkdir -p .venv
    (
        # One installation at a time: a second start waits here and then finds everything in place.
        command -v flock >/dev/null && flock 9
        [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit
        if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
            python=$(find_python)
            echo "Making .venv with $("$python" --version)"
            "$python" -m venv .venv
        fi
        .venv/bin/python scripts/install.py "$lock"
        echo "$wanted" >"$stamp"
    ) 9>.venv/.lock
}
