"""Every command and every Python example that a person may copy from README, pages and help works as it is printed."""

from __future__ import annotations

import io
import re
import shlex
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

import unlayered as ul
from ir.check import TargetError
from targets.lava.interpreter import find_python
from tests.printed.lines import BLOCKS, COMMANDS, PAGES, ROOT, Command
from tests.printed.slow import ELSEWHERE, NAMES_A_VERB, SLOW
from tests.stimuli.own.recordings import folder as recordings
from tests.unlayered.verbs import call
from unlayered.cli import app

pytestmark = pytest.mark.filterwarnings("ignore::ir.check.SlowerWarning")
"""What is printed may run slower than it could; it says so, and is no fault of the page."""

(OWN,) = re.findall(r"```toml\n(data = .*?)```", (ROOT / "docs" / "data.md").read_text(), re.S)
"""The own.toml that docs/data.md prints."""

SHORTER = {
    "train": ["--epochs", "2", "--limit", "200"],
    "run": ["--samples", "20"],
    "diff": ["--samples", "20"],
    "sweep": ["--samples", "20"],
    "map": ["--samples", "16"],
}
"""What is added to a verb so that it takes a second instead of a minute; a later option overrides an earlier one."""


def is_run(one: Command) -> bool:
    """Whether it is run here: a verb, whole, that is in no list."""
    return one.words[0] == "unlayered" and one.text not in {**SLOW, **ELSEWHERE} and not NAMES_A_VERB.match(one.text)


RUN = {where: [c for c in COMMANDS if c.where == where and is_run(c)] for where in sorted({c.where for c in COMMANDS})}
PYTHON = [(block.where, block.text) for block in BLOCKS if block.kind == "python"]


def test_the_pages_and_the_help_hold_commands():
    assert len(COMMANDS) > 60 and len(PYTHON) >= 2
    assert {c.where for c in COMMANDS} >= {"README.md", "mapping.md", "training.md", "map --help", "--help"}


@pytest.mark.parametrize("one", COMMANDS, ids=lambda c: f"{c.where}: {c.text}")
def test_every_printed_command_is_run_or_in_the_list_of_what_is_slow(one: Command):
    known = is_run(one) or one.text in {**SLOW, **ELSEWHERE} or NAMES_A_VERB.match(one.text)
    assert known, f"{one.where}: nothing runs {one.text!r}; add it to SLOW of tests/printed/slow.py"


def test_the_lists_hold_nothing_that_no_page_prints():
    printed = {one.text for one in COMMANDS}
    assert not {**SLOW, **ELSEWHERE}.keys() - printed
    assert not SLOW.keys() & ELSEWHERE.keys()


@pytest.mark.parametrize("one", COMMANDS, ids=lambda c: f"{c.where}: {c.text}")
def test_a_printed_command_exists_with_all_its_options(one: Command):
    words = [word for word in one.words if ("[" not in word and "]" not in word) or "=" in word]
    if words[0] == "unlayered":
        verb: Any = typer.main.get_command(app).commands.get(words[1])  # pyright: ignore
        assert verb is not None, f"there is no verb {words[1]!r}"
        known = {option for parameter in verb.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known
    elif words[0] == "make":
        assert all(re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.M) for word in words[1:])
    elif (words[0] == "python" and not words[1:2] == ["-m"]) or words[1:3] == ["-m", "benchmarks"]:
        assert (ROOT / words[1]).exists()
        text = (ROOT / words[1]).read_text()
        assert all(word.strip("[]") in text for word in one.words if word.strip("[]").startswith("--"))
    elif words[:3] == ["python", "-m", "pytest"]:
        assert all((ROOT / word).exists() for word in words[3:])
    elif words[0] == "python":
        assert (ROOT / f"{words[2].replace('.', '/')}.py").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a person has gone the README's road: a network, maps, traces; and files of their own."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(ROOT / "examples", folder / "examples")
    shutil.copytree(ROOT / "experiments", folder / "experiments", ignore=shutil.ignore_patterns("plots", "rows"))
    shutil.copy(ROOT / "targets" / "chips" / "loihi2.toml", folder / "mine.toml")
    (folder / "my.toml").write_text((ROOT / "trainer" / "presets" / "digits.toml").read_text())
    np.save(folder / "frames.npy", np.ones((3, 2, 2, 20, 20), np.int32))
    recordings(folder / "recordings", classes=("left", "right"))
    (folder / "own.toml").write_text(OWN)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in (
            "unlayered train --preset digits --out net",
            "unlayered train own.toml --out own",
            "unlayered map net --chip loihi2 --out mapped.npz",
            "unlayered map net --chip seneca --out timed.npz",
            "unlayered run mapped.npz --on reference --data digits --out a.npz",
            "unlayered run mapped.npz --on reference --data digits --F 1 --order random --out c.npz",
        ):
            run(Command("made", line, 0))
        ul.save(ul.open("net"), "model.npz")
    for name in ("b.npz", "reference.npz", "lava.npz", "trace.npz"):
        shutil.copy(folder / "a.npz", folder / name)
    return folder


def run(one: Command) -> None:
    """Run a verb, made shorter, and hold it to its exit code."""
    words = one.words[1:]
    done = call(*words, *(SHORTER.get(words[0], []) if "--samples" not in words else []))
    assert done.exit_code == one.code, f"{one.where}: {one.text}\n{done.output}"


def lava_is_there() -> bool:
    try:
        return bool(find_python())
    except TargetError:
        return False


@pytest.mark.parametrize("where", [w for w in RUN if RUN[w]])
def test_every_command_runs_as_it_is_printed(where: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    there = lava_is_there()
    for one in RUN[where]:
        if there or ("lava" not in one.words and "doctor" not in one.words):
            run(one)


def test_a_command_that_needs_data_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (needs,) = {c.text for c in COMMANDS if "--root DIR" in c.text and c.words[0] == "unlayered"}
    done = call(*shlex.split(needs)[1:])
    assert done.exit_code == 2 and "N-MNIST is not under" in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("page", "text"), PYTHON, ids=[page for page, _ in PYTHON])
def test_every_python_block_runs(page: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(text, page, "exec"), {"__name__": page})
    if shown := OUTPUT.get(text):
        assert without_numbers(out.getvalue()) == without_numbers(shown)


SHOWN = re.compile(r"```python\n(.*?)```\n+```text\n(.*?)```", re.S)
OUTPUT = {block: text for page in PAGES for block, text in SHOWN.findall(page.read_text())}
"""What a page shows below a block."""


def without_numbers(text: str) -> str:
    """Printed lines without their digits, which hang on a processor's order of additions, and without what is cut."""
    return re.sub(r"[-\d][\d.,]*", "N", re.sub(r"first: .*|cause: .*|\.\.\. and.*", "", text))
