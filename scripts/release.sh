#!/usr/bin/env bash
# `scripts/release.sh VERSION [--skip-tests]` makes a release of the newest commit in dist/ and tags it vVERSION:
#   realm-of-training-VERSION.tar.gz        starts by the README's two commands; the same commit gives the same bytes
#   realm-of-training-VERSION.cdx.json      its bill of materials (CycloneDX), from the locks
#   realm-of-training-VERSION.licenses.txt  licences of what it needs
#   SHA256SUMS
# pyproject.toml must have the version and CHANGELOG.md its heading, and nothing may be uncommitted. Nothing is pushed.
set -euo pipefail
unset CDPATH
cd "$(dirname "$0")/.."
. scripts/environment.sh

refuse() {
    echo "No release: $1." >&2
    exit 1
}

version=${1:-}
[[ "$version" =~ ^[0-9]+\.[0-9]+\.[0-9]+([a-z]+[0-9]+)?$ ]] || refuse "give a version such as 0.2.0: scripts/release.sh VERSION [--skip-tests]"
[ "${2:-}" = "" ] || [ "$2" = --skip-tests ] || refuse "$2 is unknown"
git rev-parse --git-dir >/dev/null 2>&1 || refuse "this is no checkout of git"
[ -z "$(git status --porcelain)" ] || refuse "there are changes that are not committed; git status shows them"
grep -qxF "version = \"$version\"" pyproject.toml || refuse "pyproject.toml has another version: $(sed -n 's/^version = //p' pyproject.toml)"
heading=$(grep -m1 -E "^## ${version//./\\.}(,| |$)" CHANGELOG.md) || refuse "CHANGELOG.md has no heading for $version"
[[ "$heading" != *unreleased* ]] || refuse "CHANGELOG.md calls $version unreleased"
! git rev-parse -q --verify "refs/tags/v$version" >/dev/null || refuse "there is a tag v$version already"

[ "${2:-}" = --skip-tests ] || scripts/test.sh
scripts/licenses.sh
git diff --quiet -- licenses || refuse "licenses/THIRD_PARTY.txt was out of date and is new now; commit it"

name=realm-of-training-$version
rm -rf dist
mkdir dist
scripts/archive.sh "dist/$name.tar.gz" "$name"
cp licenses/THIRD_PARTY.txt "dist/$name.licenses.txt"
grep -hv '^-r' requirements.lock requirements-torch.lock |
    PYTHONWARNINGS=ignore .venv/bin/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible --validate \
        --output-format JSON --output-file "dist/$name.cdx.json" -
.venv/bin/python -m scripts.audit requirements.lock
(cd dist && sha256sum -- "$name"* >SHA256SUMS)
git tag -a "v$version" -m "Realm of Training $version"
cat dist/SHA256SUMS
echo "Tagged v$version. To publish: git push origin v$version, with the files in dist/."
