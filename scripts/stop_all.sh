#!/usr/bin/env bash
# Stops every service of the world (REALM_HOME, default: world/ in this folder), each saving first.
set -euo pipefail
umask 077
case "${REALM_HOME:-/}" in
    /* | "~"*) ;;
    *) export REALM_HOME="$PWD/$REALM_HOME" ;; # a relative world is meant from where the script was called
esac
cd "$(dirname "$0")/.."
if [ ! -x .venv/bin/python ]; then
    echo "Nothing is installed here, so nothing runs. scripts/start_all.sh sets it up."
    exit 0
fi
exec .venv/bin/python manage.py weave --stop
