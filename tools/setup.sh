#!/bin/sh
# Make .venv on Python 3.10 with everything tests and benchmarks import, from pinned versions.
# Needs: a Python 3 with pip or venv, and a package index. Safe to run again.
set -eu
cd "$(dirname "$0")/.."
WANT=3.10

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 2; }

# A uv on PATH may be a version manager's shim that does not run here, so each candidate has to prove itself.
find_uv() {
    for candidate in uv .uv/bin/uv "$HOME/.local/bin/uv" "$HOME/.cargo/bin/uv"; do
        if "$candidate" --version >/dev/null 2>&1; then command -v "$candidate"; return 0; fi
    done
    return 1
}

bootstrap_uv() {
    for python in python3 python3.13 python3.12 python3.11 python3.10 /usr/bin/python3 /usr/local/bin/python3; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1 || continue
        say "installing uv into .uv with $python"
        if "$python" -m venv --clear .uv >/dev/null 2>&1 && .uv/bin/pip install --quiet uv; then return 0; fi
        rm -rf .uv
        # A Debian python3 without python3-venv may still have pip.
        if "$python" -m pip install --quiet --target .uv uv >/dev/null 2>&1; then return 0; fi
        rm -rf .uv
    done
    die "found no uv and could not install one; install it (https://docs.astral.sh/uv), or python3 with venv, and run make again"
}

is_wanted() { "$1" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "'"$WANT"'")' >/dev/null 2>&1; }

# Lava runs on 3.10 only. PATH first, then pyenv's folder, then what uv itself knows or can fetch.
find_python() {
    for candidate in "python$WANT" python3 python "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$WANT"*/bin/python; do
        if is_wanted "$candidate"; then "$candidate" -c 'import sys; print(sys.executable)'; return 0; fi
    done
    "$UV" python find "$WANT" 2>/dev/null && return 0
    "$UV" python install "$WANT" >/dev/null 2>&1 && "$UV" python find "$WANT" 2>/dev/null
}

UV=$(find_uv) || { bootstrap_uv; UV=$(find_uv) || die "uv was installed into .uv but does not run here"; }

if ! is_wanted .venv/bin/python; then
    PYTHON=$(find_python) || die "no Python $WANT on PATH, in pyenv or from uv; get one with 'uv python install $WANT', 'pyenv install $WANT' or your system's packages, and run make again"
    say "making .venv with $PYTHON"
    "$UV" venv --quiet --clear --python "$PYTHON" .venv
fi

say "installing pinned packages into .venv (some gigabytes on the first run)"
"$UV" pip install --quiet --python .venv/bin/python -e '.[dev,docs]' -c constraints.txt ||
    die "the packages could not be installed; check the network and the package index, and run make again"
touch .venv/.stamp

say "compiling what demo and tests need, once for this processor (a minute)"
.venv/bin/python -m unlayered.ahead || say "that failed; the first run will compile for itself"
