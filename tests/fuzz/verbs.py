"""What is done with a file once it opens: the verbs of the command line that take it, each with its own needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

from ir.check import MAX_SENTENCE
from tests.fuzz.seeds import beside
from unlayered.cli import app
from unlayered.report import page

CODES = {0: "fine", 1: "different", 2: "refused", 3: "no target"}
LIMIT_S = 10.0
MOST_INPUTS = 1 << 16
"""A network with more is not run: its frames alone would take long to write."""

Words = tuple[object, ...]


@dataclass(frozen=True)
class Outcome:
    """What a verb made of a file: ``kind`` is a word of ``CODES``, or says what must not happen."""

    kind: str
    output: str = ""

    @property
    def sound(self) -> bool:
        return self.kind in CODES.values()


@contextmanager
def figures_left_out(turn: int) -> Generator[None]:
    """A map's figures take a second: they are drawn for one file in 32."""
    drawn = page.draw
    page.draw = drawn if turn % 32 == 0 else lambda *_, **__: "<svg></svg>"
    try:
        yield
    finally:
        page.draw = drawn


def call(*words: object) -> Outcome:
    """Call a verb in this process; anything but success or one sentence is told as what it is."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return Outcome(f"{_where(done.exception)}: {type(done.exception).__name__}: {done.exception}")
    if done.exit_code not in CODES:
        return Outcome(f"exit code {done.exit_code}: {done.output[:200]}")
    if done.exit_code in (2, 3) and not one_sentence(done.stderr):
        return Outcome(f"no sentence: {done.stderr[:300]!r}")
    if any(not c.isprintable() for c in done.output if c != "\n"):
        return Outcome(f"prints controls: {done.output[:300]!r}")
    return Outcome(CODES[done.exit_code], done.stdout)


def one_sentence(text: str) -> bool:
    """Whether standard error holds one line of ours, of bounded length."""
    return text.startswith("unlayered: ") and text.count("\n") == 1 and len(text) <= MAX_SENTENCE + 20


def _where(error: BaseException) -> str:
    """The place in our own files that an exception came through last."""
    found = "?"
    at = error.__traceback__
    while at is not None:
        name = at.tb_frame.f_code.co_filename
        if "site-packages" not in name and "/lib/python" not in name and "/tests/" not in name:
            found = f"{Path(name).parent.name}/{Path(name).name}:{at.tb_lineno}"
        at = at.tb_next
    return found


def of_network(path: Path, folder: Path, turn: int) -> Iterator[tuple[str, Words]]:
    """Inspect, check, export, run on two executors, compare, map."""
    as_ = ("--as", "norse") if path.suffix == ".nir" and b"unlayered" not in path.read_bytes() else ()
    shown = yield "open", ("inspect", path, "--json", *as_)
    yield "inspect", ("inspect", path, *as_)
    yield "check", ("check", path, "--chip", ("loihi1", "loihi2")[turn % 2], *as_)
    to = ("nir", "onnx", "net")[turn % 3]
    yield "export", ("export", path, "--to", to, "--out", folder / f"again.{to}", *as_)
    width = sum(int(np.prod(i["shape"], dtype=object)) for i in json.loads(shown)["inputs"])
    if width <= MOST_INPUTS:
        np.save(folder / "frames.npy", np.arange(3 * 2 * width).reshape(3, 2, width) * 7 % 3)
        flags: Words = ("--schedule", "layered") if turn // 2 % 2 else ("--F", turn % 3 + 1, "--stop-after", 9)
        run: Words = ("run", path, "--data", folder / "frames.npy", *as_, *flags)
        ran = [*run, "--on", "reference", "--chip", "loihi2", "--out", folder / "a.npz", "--allow-unsafe"]
        yield "run", tuple(ran)
        other = [*run, "--on", "trainer", "--out", folder / "b.npz", "--allow-unsafe"]
        yield "run on the trainer", tuple(other if turn % 2 else [*other, "--chip", "loihi2"])
        if (folder / "a.npz").exists() and (folder / "b.npz").exists():
            yield "compare", ("compare", folder / "a.npz", folder / "b.npz")
        if (folder / "a.npz").exists() and turn % 4 == 0:
            yield "diff", ("diff", path, folder / "a.npz", "--data", folder / "frames.npy", "--json")
        sizes: Words = (
            "--F",
            f"{turn % 3 + 1},all",
            "--order",
            "fifo",
            "--allow-unsafe",
            "--data",
            folder / "frames.npy",
        )
        yield "sweep", ("sweep", path, *sizes, *as_, "--out", folder / "s.json")
    yield (
        "map",
        (
            "map",
            path,
            "--chip",
            "loihi2",
            "--preset",
            "fast",
            "--out",
            folder / "m.npz",
            "--allow-unsafe",
            *as_,
            *(() if turn % 3 else ("--schedule", "layered")),
        ),
    )
    told = [folder / name for name in ("m.npz", "a.npz", "b.npz", "s.json") if (folder / name).exists()]
    if told and turn % 4 == 1:
        yield "report", ("report", *told, "--out", folder / "r.html")


def of_trace(path: Path, folder: Path, turn: int) -> Iterator[tuple[str, Words]]:
    """Inspect, compare with a sound one."""
    yield "open", ("inspect", path, "--json")
    yield "inspect", ("inspect", path)
    sound = beside(folder, "trace.npz")
    pair: Words = (path, sound) if turn % 2 else (sound, path)
    yield "compare", ("compare", *pair)
    yield "diff", ("diff", *pair)
    if turn % 4 == 0:
        words = (beside(folder, "fixed.npz"), path, "--data", beside(folder, "stimulus.npz"))
        yield "diff with a network", ("diff", *words, "--json")
    yield "report", ("report", *pair, "--out", folder / "r.html")


def of_state(path: Path, folder: Path, turn: int) -> Iterator[tuple[str, Words]]:
    """Inspect, go on from it."""
    yield "open", ("inspect", path, "--json")
    yield "inspect", ("inspect", path)
    network, data = beside(folder, "fixed.npz"), beside(folder, "stimulus.npz")
    flags: Words = ("--schedule", "layered") if turn % 2 else ()
    for on in ("reference", "trainer"):
        words = ("run", network, "--data", data, "--on", on, "--state", path, "--out", folder / "a.npz", *flags)
        yield f"run on {on}", words


def of_stimulus(path: Path, folder: Path, turn: int) -> Iterator[tuple[str, Words]]:
    """Run, calibrate with it, inspect."""
    network = beside(folder, "fixed.npz")
    flags: Words = ((), ("--input", "paced", "--R", 2), ("--input", "queued"), ("--schedule", "layered"))[turn % 4]
    if path.suffix == ".npz":
        yield "open", ("inspect", path, "--json")
        yield "inspect", ("inspect", path)
    name = "run" if path.suffix == ".npz" else "open"
    yield name, ("run", network, "--data", path, "--on", "reference", "--out", folder / "a.npz", *flags)
    yield "run on the trainer", ("run", network, "--data", path, "--on", "trainer", "--out", folder / "b.npz", *flags)
    floats = beside(folder, "floats.npz")
    words: Words = ("map", floats, "--chip", "loihi2", "--preset", "fast", "--out", folder / "m.npz", "--allow-unsafe")
    yield "calibrate", (*words, "--calibrate", path)
    sizes: Words = ("--F", "2,all", "--order", "fifo", "--allow-unsafe", "--out", folder / "s.json")
    yield "sweep", ("sweep", network, "--data", path, *sizes)
    if turn % 4 == 0:
        yield "diff", ("diff", floats, network, "--data", path, "--json")
    if turn % 4 == 1 and (folder / "a.npz").exists():
        yield "report", ("report", folder / "a.npz", "--data", path, "--out", folder / "r.html")


def of_result(path: Path, folder: Path, turn: int) -> Iterator[tuple[str, Words]]:
    """Tell it, alone and beside a run; go on from a sweep."""
    yield "open", ("report", path, "--out", folder / "r.html")
    yield "report", ("report", path, beside(folder, "trace.npz"), "--out", folder / "r.html", "--json")
    network, data = beside(folder, "fixed.npz"), beside(folder, "stimulus.npz")
    shutil.copy(path, folder / "s.json")
    yield "sweep", ("sweep", network, "--data", data, "--F", "2,all", "--order", "fifo", "--out", folder / "s.json")


def of_chip(path: Path, folder: Path, turn: int) -> Iterator[tuple[str, Words]]:
    """Check a network against it, map to it."""
    network = beside(folder, ("fixed.npz", "floats.npz")[turn % 2])
    yield "open", ("check", network, "--chip", path, "--json")
    yield "check", ("check", network, "--chip", path)
    yield "map", ("map", network, "--chip", path, "--preset", "fast", "--out", folder / "m.npz", "--allow-unsafe")
    if (folder / "m.npz").exists():
        yield "inspect", ("inspect", folder / "m.npz", "--explain", "core 0")


def of_settings(path: Path, folder: Path, turn: int) -> Iterator[tuple[str, Words]]:
    """Train on a few samples."""
    shutil.rmtree(folder / "net", ignore_errors=True)
    yield "open", ("train", path, "--out", folder / "net", "--epochs", 1, "--limit", 12)
    yield "inspect", ("inspect", folder / "net")


def of_checkpoint(path: Path, folder: Path, turn: int) -> Iterator[tuple[str, Words]]:
    """Go on from it."""
    shutil.rmtree(folder / "net", ignore_errors=True)
    (folder / "net").mkdir()
    shutil.copy(path, folder / "net" / "last.pt")
    shutil.copy(beside(folder, "last.pt"), folder / "net" / "best.pt")
    settings = beside(folder, "settings.toml")
    yield "open", ("train", settings, "--out", folder / "net", "--epochs", 2, "--limit", 12, "--resume")
    yield "inspect", ("inspect", folder / "net")


def of_recordings(path: Path, folder: Path, turn: int) -> Iterator[tuple[str, Words]]:
    """Replay them."""
    network = beside(folder, "fixed.net")
    where = beside(folder, "recordings")
    spoilt = where / ("fc-1-v.npy" if path.suffix == ".npy" else "verify.toml")
    sound = spoilt.read_bytes()
    shutil.copy(path, spoilt)
    try:
        yield "open", ("verify", network, "--against", where, "--json")
        yield "verify", ("verify", network, "--against", where)
    finally:
        spoilt.write_bytes(sound)


VERBS: dict[str, Callable[[Path, Path, int], Any]] = {
    "network.npz": of_network,
    "network.nir": of_network,
    "network.onnx": of_network,
    "network.net": of_network,
    "trace.npz": of_trace,
    "state.npz": of_state,
    "diff.json": of_result,
    "sweep.json": of_result,
    "stimulus.npz": of_stimulus,
    "stimulus.npy": of_stimulus,
    "chip.toml": of_chip,
    "settings.toml": of_settings,
    "last.pt": of_checkpoint,
    "verify.toml": of_recordings,
    "recording.npy": of_recordings,
}
"""What is fuzzed, and what is done with it; the first verb is the one that opens it."""
