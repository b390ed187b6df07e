"""Every command and every Python example that a person may copy from README, pages and help works as it is printed."""

from __future__ import annotations

import io
import re
import shlex
import shutil
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from ir.check import TargetError
from targets.lava.interpreter import find_python
from tests.stimuli.own.recordings import folder as recordings
from tests.unlayered.verbs import call
from unlayered.cli import app

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.filterwarnings("ignore::ir.check.SlowerWarning")
"""What is printed may run slower than it could; it says so, and is no fault of the page."""

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES.remove(ROOT / "docs" / "commands.md")  # written from the help, whose examples are run
STARTS = ("unlayered ", "python ", "make ", "uv ", "source ")

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

NOT_RUN = {
    r"unlayered (run|compare|diff|sweep|inspect|map|train|check|export|verify)$": "names a verb",
    r"unlayered demo\b": "takes minutes; tests/test_pipeline.py runs its parts",
    r"unlayered train .*--root DIR": "needs N-MNIST; without it, it must say so",
    r"unlayered train --device cuda": "a fragment of a sentence, and needs a GPU",
    r"unlayered run mapped.npz --on lava$": "a fragment of a sentence; whole ones are run",
    r"make ": "sets up the machine, or takes minutes; the target must exist",
    r"(python|source|uv) ": "benchmarks and the shell's own; the file and its options must exist",
}
"""Commands that are only parsed, and why."""


@dataclass(frozen=True)
class Command:
    """A line that can be copied.

    Attributes:
        where: the page or verb that prints it.
        text: without its comment.
        code: the exit code that its comment tells; None = 0.
    """

    where: str
    text: str
    code: int

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def reason(self) -> str | None:
        """Why it is only parsed; None = it is run."""
        return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, self.text)), None)


def command(where: str, line: str) -> Command | None:
    """The command of a line, if it holds one."""
    text, _, comment = line.strip().partition(" #")
    if not text.startswith(STARTS):
        return None
    told = re.search(r"\bexit (\d):", comment)
    return Command(where, text.strip(), int(told[1]) if told else 0)


def of_page(path: Path) -> list[Command]:
    """Indented and fenced lines, and what stands between backticks."""
    found: list[Command | None] = []
    fenced = False
    for line in path.read_text().splitlines():
        if line.startswith("```"):
            fenced = not fenced and line == "```" if not fenced else False
            continue
        if fenced or line.startswith("    "):
            found.append(command(path.name, line))
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    found += [command(path.name, " ".join(x.split())) for x in re.findall(r"`([^`]+)`", text)]
    return [x for x in found if x is not None]


def of_help() -> list[Command]:
    """The examples of the front page and of every verb."""
    docs: dict[str, Any] = {"--help": app.registered_callback.callback.__doc__}  # pyright: ignore
    docs |= {f"{c.name} --help": c.callback.__doc__ for c in app.registered_commands if c.callback is not None}
    found = [command(name, line.strip().split("   ")[0] if name == "--help" else line)
             for name, text in docs.items() for line in str(text).splitlines()]  # fmt: skip
    return [x for x in found if x is not None]


COMMANDS = [*(x for page in PAGES for x in of_page(page)), *of_help()]
RUN = {where: [c for c in COMMANDS if c.where == where and c.reason is None] for where in {c.where for c in COMMANDS}}
BLOCKS = [(page.name, text) for page in PAGES for text in re.findall(r"```python\n(.*?)```", page.read_text(), re.S)]


def test_the_pages_and_the_help_hold_commands():
    assert len(COMMANDS) > 60 and len(BLOCKS) >= 2
    assert {c.where for c in COMMANDS} >= {"README.md", "mapping.md", "training.md", "map --help", "--help"}
    for pattern in NOT_RUN:
        assert any(re.match(pattern, c.text) for c in COMMANDS), f"nothing is left that {pattern!r} excuses"


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


@pytest.mark.parametrize("where", sorted(w for w in RUN if RUN[w]))
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


@pytest.mark.parametrize(("page", "text"), BLOCKS, ids=[page for page, _ in BLOCKS])
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
