"""The Tab key: a script a shell, verbs, options and the values that verbs take."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ir.schedule import ORDERS
from stimuli.data_sets import NAMES
from tests.unlayered.verbs import call, refused
from trainer.config import preset_names
from unlayered.execute import EXECUTORS

SHELLS = {"bash": "complete -o default -F", "zsh": "#compdef unlayered", "fish": "complete --command unlayered"}


def asked(*words: str) -> list[str]:
    """What bash is told may stand in the place of the last word."""
    ask = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1), "_UNLAYERED_COMPLETE": "complete_bash"}
    code = "from unlayered.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | ask, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(shell: str) -> None:
    done = call("completion", shell)
    assert done.exit_code == 0 and SHELLS[shell] in done.stdout and "_UNLAYERED_COMPLETE" in done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_itself_reads_its_script(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(call("completion", shell).stdout)
    assert subprocess.run([shell, "-n", script], capture_output=True).returncode == 0


def test_an_unknown_shell_is_refused_with_the_known_ones() -> None:
    assert "shell is 'tcsh'" in (said := refused(2, "completion", "tcsh")) and "'fish'" in said


CASES = [
    (("com",), ["compare", "completion"]),
    (("run", "--o"), ["--on", "--out", "--order"]),
    (("run", "--on", ""), list(EXECUTORS)),
    (("map", "net", "--chip", "loihi"), ["loihi1", "loihi2"]),
    (("run", "--order", ""), list(ORDERS)),
    (("run", "--data", ""), list(NAMES)),
    (("train", "--preset", "digits"), [name for name in preset_names() if name.startswith("digits")]),
    (("export", "net", "--to", "n"), ["nir", "net"]),
]


@pytest.mark.parametrize(("words", "expected"), CASES, ids=[" ".join(words) for words, _ in CASES])
def test_what_is_offered_is_what_the_verbs_take(words: tuple[str, ...], expected: list[str]) -> None:
    assert sorted(asked("unlayered", *words)) == sorted(expected)
