#!/bin/sh
# Fetches the front end's vendored files from npm, checks each against its digest and puts it under static/vendor/.
# What it writes is committed; run it again only to change a version here.
set -eu
unset CDPATH
cd "$(dirname "$0")/.."
vendor=static/vendor
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

unpack() { # name@version folder
    tarball=$(cd "$temp" && npm pack --silent "$1")
    mkdir "$temp/$2"
    tar -xzf "$temp/$tarball" -C "$temp/$2" --strip-components=1
}

take() { # sha256 source target
    echo "$1  $temp/$2" | sha256sum --check --quiet
    mkdir -p "$(dirname "$vendor/$3")"
    cp "$temp/$2" "$vendor/$3"
}

unpack uplot@1.6.32 uplot
unpack zzfx@1.3.2 zzfx
unpack @iconify-json/game-icons@1.2.4 game-icons
unpack @fontsource/cinzel@5.3.0 cinzel
unpack @fontsource-variable/inter@5.3.0 inter
unpack @fontsource/jetbrains-mono@5.3.0 jetbrains-mono
unpack @fontsource/noto-sans-symbols@5.3.0 noto-sans-symbols

take 19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f uplot/dist/uPlot.iife.min.js uplot/uPlot.iife.min.js
take df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04 uplot/dist/uPlot.min.css uplot/uPlot.min.css
take 8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd uplot/LICENSE uplot/LICENSE
take 14f8f12f094ec5c38bb18c725dc2bdf8275ec099696941be6b0c4406a0def89c zzfx/ZzFX.js zzfx/ZzFX.js
take 8917d3dfd55d69fb08e7786d4ac5bf01a4f7eb89c6008713bb4e48c3016ce537 zzfx/LICENSE zzfx/LICENSE
take 8efa224fe70fef188a39c095e218b81fd31061809f2752537e33a9ec7b9c2263 cinzel/files/cinzel-latin-700-normal.woff2 fonts/cinzel-latin-700.woff2
take f5a242cf68ad6ebd0603b3359a74c593ca080318a681035be5296ba2c6b04ae6 cinzel/LICENSE fonts/cinzel-LICENSE
take 3100e775e8616cd2611beecfa23a4263d7037586789b43f035236a2e6fbd4c62 inter/files/inter-latin-wght-normal.woff2 fonts/inter-latin-variable.woff2
take 3b0a5fca3d17942cde889069889dedbbbd075e9b599968c82a95f4d944e9b345 inter/LICENSE fonts/inter-LICENSE
take 14425ba9c695763c1547f48a206b7aa60350a33ae23de09f0407877f3fcd89eb jetbrains-mono/files/jetbrains-mono-latin-400-normal.woff2 fonts/jetbrains-mono-latin-400.woff2
take 403581b69dac5cff4079205e01c6b467e56af449ecbd7247693ddb1baafa005b jetbrains-mono/LICENSE fonts/jetbrains-mono-LICENSE
take 2386dfba50e3a0df9efebd63f5774e4a455bc4c86f47b03eed82fea92ad86e3b noto-sans-symbols/files/noto-sans-symbols-symbols-400-normal.woff2 fonts/noto-sans-symbols-400.woff2
take 83c38c8ecdf62ac46a0e2f940df20d8ac5984fdb55a88451bff94f78c3767e23 noto-sans-symbols/LICENSE fonts/noto-sans-symbols-LICENSE

icons=game-icons/icons.json
echo "b948029964d549d0ae3b17afead9c9d6f019ddcbdc34f52cb915dc460575c4cd  $temp/$icons" | sha256sum --check --quiet
python3 scripts/build_sprite.py "$temp/$icons"
