#!/usr/bin/env bash
# Writes the locks from pyproject.toml, with the hash of every file of every release, for each system and Python from 3.11 on:
#   requirements.lock          what start_all.sh installs
#   requirements-test.lock     what test.sh adds
#   requirements-release.lock  what release.sh adds
#   requirements-torch.lock    torch alone, without hashes: which file it is and which of NVIDIA's come with it differs by machine
# What is locked stays as long as pyproject.toml allows it; --upgrade takes the newest, --upgrade-package NAME one package's.
set -euo pipefail
unset CDPATH
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check uv

# Where the realm runs. uv appends this to every marker, and `tidy` takes it away again.
everywhere="platform_python_implementation == 'CPython' and sys_platform != 'emscripten'"
{ cat pyproject.toml; printf '[tool.uv]\nenvironments = ["%s"]\n' "$everywhere"; } >"$scratch/pyproject.toml"
tidy() { sed -E "s/ (;|and) $everywhere//; s/ and platform_python_implementation == 'CPython'//" "$1"; }

# Takes versions from the lock of this name in the scratch folder, and writes it.
resolve() {
    local lock=$1
    shift
    (cd "$scratch" && venv/bin/uv pip compile pyproject.toml --extra train "$@" --universal --python-version 3.11 \
        --generate-hashes --no-annotate --no-header --quiet --output-file "$lock" >/dev/null)
}

# The packages of a lock without what torch brings, and without what the lock named second holds with the same marker.
packages() { awk -v held="${2:-/dev/null}" '
    BEGIN { while ((getline line < held) > 0) has[line] = 1 }
    /^[a-z0-9]/ { kept = !($0 in has) && (/^nvidia-ml-py=/ || !/^(torch|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)=/) }
    kept' "$1"; }

cat requirements.lock >"$scratch/requirements.lock"
resolve requirements.lock "$@"
torch=$(grep -oE '^torch==[0-9.]+' "$scratch/requirements.lock")
echo "$torch" >requirements-torch.lock
{
    echo "# Written by scripts/lock_requirements.sh. $torch is installed after these, from requirements-torch.lock."
    tidy "$scratch/requirements.lock" | packages /dev/stdin
} >"$scratch/runtime"

for kind in test release; do
    lock=requirements-$kind.lock
    groups=(--group "$kind")
    [ "$kind" = test ] && groups+=(--group lint --group bench)
    { cat "$scratch/requirements.lock"; grep -v '^-r' "$lock" || true; } >"$scratch/$lock"
    resolve "$lock" "${groups[@]}" "$@"
    {
        echo "# Written by scripts/lock_requirements.sh"
        echo "-r requirements.lock"
        tidy "$scratch/$lock" | packages /dev/stdin "$scratch/runtime"
    } >"$scratch/new"
    mv "$scratch/new" "$lock"
done
mv "$scratch/runtime" requirements.lock
