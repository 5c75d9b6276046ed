#!/usr/bin/env bash
# `scripts/archive.sh FILE.tar.gz PREFIX`: the files of the newest commit. The same commit gives the same bytes anywhere.
set -euo pipefail
unset CDPATH
file=$(realpath "$1")
cd "$(dirname "$0")/.."
git -c tar.umask=0022 -c core.autocrlf=false archive --format=tar --prefix="$2/" HEAD | gzip -9 -n >"$file"
