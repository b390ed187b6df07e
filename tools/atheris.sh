#!/bin/sh
# Put atheris into .fuzz for `make fuzz-edges`: beside .venv, which stays what constraints.txt says. Linux on x86-64.
set -eu
cd "$(dirname "$0")/.."
VERSION=2.3.0
[ -f ".fuzz/$VERSION" ] && exit 0
UV=uv
"$UV" --version >/dev/null 2>&1 || UV=.uv/bin/uv
"$UV" --version >/dev/null 2>&1 || { echo "atheris: run make setup first" >&2; exit 2; }
rm -rf .fuzz
"$UV" pip install --quiet --python .venv/bin/python --no-deps --target .fuzz "atheris==$VERSION"
touch ".fuzz/$VERSION"
