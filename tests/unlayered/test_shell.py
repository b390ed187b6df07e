"""In a shell: bars with the time left on a terminal, a line an epoch elsewhere, only results in a pipe, NO_COLOR."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests.unlayered.verbs import call
from unlayered import console

pty = pytest.importorskip("pty", reason="no pseudo-terminals here")

COLOR = re.compile(r"\x1b\[[\d;]*\b(3\d|4\d|9\d|10\d)m")
TRAIN = ("train", "--preset", "digits", "--epochs", "2", "--limit", "128")


def on_a_terminal(*words: str, **variables: str) -> str:
    """What a verb prints on a pseudo-terminal."""
    code = f"import pty, sys; sys.exit(pty.spawn([{sys.executable!r}, '-m', 'unlayered', *{list(words)!r}]) >> 8)"
    settings = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm-256color"} | variables
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)  # fmt: skip
    return done.stdout


def test_no_color_is_heeded() -> None:
    words = ("--help",)
    assert COLOR.search(on_a_terminal(*words)) and not COLOR.search(on_a_terminal(*words, NO_COLOR="1"))


def test_a_training_that_nobody_watches_says_a_line_an_epoch(tmp_path: Path) -> None:
    done = call(*TRAIN, "--out", tmp_path / "net")
    lines = done.stderr.splitlines()
    assert [re.sub(r"\d\.\d{3}", "N", line) for line in lines] == [
        f"training on digits: epoch {n} of 2, loss N, validation accuracy N" for n in (1, 2)
    ]
    quiet = call(*TRAIN, "--out", tmp_path / "net", "--json")
    assert quiet.stderr == "" and quiet.stdout.startswith("{")


def test_a_pipe_gets_results_without_bars_and_escapes() -> None:
    done = subprocess.run([sys.executable, "-m", "unlayered", "chips"], capture_output=True, text=True, timeout=120)
    assert "loihi2" in done.stdout and "\x1b" not in done.stdout and done.stderr == ""


@pytest.mark.parametrize("kind", ["progress", "stages"])
def test_bars_tell_the_time_left(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = io.StringIO()
    monkeypatch.setattr(
        console, "stderr", lambda: Console(file=seen, force_terminal=True, width=100, color_system=None)
    )
    if kind == "progress":
        with console.progress("samples") as tick:
            for done in range(4):
                tick(done, 10)
    else:
        with console.Stages("map", ["place"]) as stages:
            stages.begin("place")
            for done in range(4):
                stages.tick(done, 10)
    assert re.search(r"\d:\d\d:\d\d", seen.getvalue()) or "-:--:--" in seen.getvalue()


def test_nothing_is_drawn_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("samples") as tick, console.Stages("map", ["place"]) as stages:
        stages.begin("place")
        tick(1, 2)
    assert capsys.readouterr() == ("", "")
