#!/bin/sh
# Make .pythons/VERSION with unlayered and no Lava, so that tests can try later Pythons: tools/pythons.sh 3.12 3.13
set -eu
cd "$(dirname "$0")/.."
UV=uv
"$UV" --version >/dev/null 2>&1 || UV=.uv/bin/uv
"$UV" --version >/dev/null 2>&1 || { echo "pythons: run make setup first" >&2; exit 2; }
for version in "$@"; do
    python=$version
    for found in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python; do
        [ -x "$found" ] && python=$found
    done
    "$UV" venv --quiet --clear --python "$python" ".pythons/$version"
    "$UV" pip install --quiet --python ".pythons/$version/bin/python" -e ".[pieces]"
done
