#!/usr/bin/env bash
# Stops every service of the world (REALM_HOME, default: world/ in this folder), each saving first.
set -euo pipefail
umask 077
. "$(dirname "$0")/relative_paths.sh"
cd "$(dirname "$0")/.."
. scripts/environment.sh

# The supervisor of the world's services, where one lives: the only process that its pid file may name.
supervisor() {
    local home=${REALM_HOME:-world} pid
    pid=$(cat "${home/#\~/$HOME}/control/weaver.pid" 2>/dev/null) || return
    ps -ww -o args= -p "$pid" 2>/dev/null | grep -q supervisor.supervisord && echo "$pid"
}

if environment_runs; then
    exec .venv/bin/python manage.py weave --stop
fi
if pid=$(supervisor); then
    # Without our Python: it stops each of its services as it would be asked to, and ends.
    echo "The Python environment in .venv is gone or broken; the services are stopped by their supervisor (process $pid)."
    kill -TERM "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
    exit 0
fi
echo "Nothing is installed here that runs, and no supervisor of this world lives. scripts/start_all.sh sets it up."
