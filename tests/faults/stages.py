"""What is at work when a fault comes: train, map, run, diff and sweep on small things, and what each must leave."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from exchange import npz
from exchange.pieces import HEAD, in_pieces, open_pieces
from exchange.train_files import read_history
from ir.connection import Dense
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from tests.faults.artifacts import spoken
from tests.fuzz.seeds import small_network

Words = list[object]

SETTINGS = 'data = "digits"\nlayers = ["4", "10"]\nlimit = 20\nepochs = 3\nengine = "reference"\nbatch_size = 16\n'


@dataclass(frozen=True)
class Stage:
    """A verb with what it reads and writes, all in one folder.

    Attributes:
        again: the words that go on, or do it again, after a fault.
        reads: files that a fault may spoil. writes: what it leaves.
        result: what it left, as plain values, from the folder and what it printed; the same in every whole run.
        codes: how it ends where nothing goes wrong.
        fresh: what it writes is never there before, for it is not replaced.
        anew: it starts processes of its own, and is no copy of a process that has started others.
        spared: faults that say nothing new here.
    """

    name: str
    words: Callable[[Path], Words]
    again: Callable[[Path], Words]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    result: Callable[[Path, str], Any]
    codes: tuple[int, ...] = (0,)
    fresh: bool = False
    anew: bool = False
    spared: tuple[str, ...] = ()


def even(network: QuantizedNetwork) -> QuantizedNetwork:
    """The same with even weights, which a chip stores."""
    changed = []
    for projection in network.projections:
        assert isinstance(projection.connection, Dense)
        changed.append(replace(projection, connection=Dense(projection.connection.weight // 2 * 2)))
    return replace(network, projections=tuple(changed))


def make_material(folder: Path) -> None:
    """What the stages read."""
    npz.save(even(small_network()), folder / "net.npz")
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 3, (6, 24, 3)).astype(np.int32)
    npz.save(Stimulus(frames, labels=rng.integers(0, 2, 24)), folder / "data.npz")
    many = rng.integers(0, 3, (6, SAMPLES, 3)).astype(np.int8)
    npz.save(Stimulus(many, labels=rng.integers(0, 2, SAMPLES)), folder / "many.npz")
    np.save(folder / "frames.npy", frames)
    (folder / "my.toml").write_text(SETTINGS)


def _train(folder: Path) -> Words:
    return ["train", folder / "my.toml", "--out", folder / "net"]


def _train_again(folder: Path) -> Words:
    return [*_train(folder), *(["--resume"] if (folder / "net" / "last.pt").exists() else [])]


def _map(folder: Path) -> Words:
    return ["map", folder / "net.npz", "--chip", "loihi2", "--preset", "fast", "--out", folder / "new.npz"]


def _run(folder: Path) -> Words:
    words: Words = ["run", folder / "m.npz", "--on", "reference", "--data", folder / "data.npz", "--out"]
    return [*words, folder / "t.npz", "--keep-state", folder / "s.npz"]


def _run_frames(folder: Path) -> Words:
    words: Words = ["run", folder / "m.npz", "--on", "reference", "--data", folder / "frames.npy", "--out"]
    return [*words, folder / "t.npz", "--F", 1, "--order", "random"]


def _run_of_frames(folder: Path, _: str) -> Any:
    return spoken(folder / "t.npz")


def _run_pieces(folder: Path) -> Words:
    words: Words = ["run", folder / "m.npz", "--on", "reference", "--data", folder / "many.npz", "--out"]
    return [*words, folder / "t.pieces"]


def _run_pieces_again(folder: Path) -> Words:
    shutil.rmtree(folder / "t.pieces", ignore_errors=True)  # it came though the fault did; it was looked at
    return _run_pieces(folder)


def _run_workers(folder: Path) -> Words:
    return [*_run_pieces(folder), "--workers", 2]


def _compare_pieces(folder: Path) -> Words:
    return ["compare", folder / "a.pieces", folder / "b.pieces", "--json"]


def _files(folder: Path) -> dict[str, bytes]:
    """What lies in a folder of pieces."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _diff(folder: Path) -> Words:
    return ["diff", folder / "m.npz", folder / "b.npz", "--data", folder / "data.npz", "--json"]


def _sweep(folder: Path) -> Words:
    words: Words = ["sweep", folder / "m.npz", "--data", folder / "data.npz", "--out", folder / "sweep.json"]
    return [*words, "--F", "1,2,all"]


def _trained(folder: Path, _: str) -> Any:
    """The network and its history, without how fast it was."""
    net = folder / "net"
    history = [{k: v for k, v in row.items() if k != "samples_per_s"} for row in read_history(net)]
    return history, spoken(net / "network.npz")


def _differing(folder: Path, said: str) -> Any:
    """What was printed, without the folder's name."""
    return json.loads(said.replace(str(folder), ""))["pairs"]


TRAINED = ("net/last.pt", "net/best.pt", "net/metrics.json", "net/config.json", "net/network.npz")

SAMPLES = 300
PARTS = ("rest.npz", "spikes.parquet", "v.npy")
IN_PIECES = (HEAD, *(f"{i:05d}.{name}" for i in range(-(-SAMPLES // 128)) for name in PARTS))
"""The files of a trace in pieces of 128 samples."""

WRITTEN = tuple(f"t.pieces/{name}" for name in IN_PIECES)

NO_SUM = ("my.toml", "frames.npy")
"""What people and numpy write has no checksum: spoilt, it may say something else."""

STAGES = {
    stage.name: stage
    for stage in (
        Stage("train", _train, _train_again, ("my.toml", *TRAINED[:4]), TRAINED, _trained),
        Stage("map", _map, _map, ("net.npz",), ("new.npz", "new.html"), lambda f, _: spoken(f / "new.npz")),
        Stage(
            "run",
            _run,
            _run,
            ("m.npz", "data.npz"),
            ("t.npz", "s.npz"),
            lambda f, _: (spoken(f / "t.npz"), spoken(f / "s.npz")),
        ),
        Stage(
            "run frames",
            _run_frames,
            _run_frames,
            ("m.npz", "frames.npy"),
            ("t.npz",),
            lambda f, _: spoken(f / "t.npz"),
        ),
        Stage(
            "run pieces",
            _run_pieces,
            _run_pieces_again,
            ("m.npz", "many.npz"),
            WRITTEN,
            lambda f, _: _files(f / "t.pieces"),
            fresh=True,
        ),
        Stage(
            "run --workers",
            _run_workers,
            _run_pieces_again,  # by one process: the same files, byte for byte
            ("m.npz", "many.npz"),
            WRITTEN,
            lambda f, _: _files(f / "t.pieces"),
            fresh=True,
            anew=True,
            spared=("a lost end", "a flipped bit", "a lost end meanwhile", "a flipped bit meanwhile", "SIGINT"),
        ),
        Stage(
            "compare pieces",
            _compare_pieces,
            _compare_pieces,
            tuple(f"{side}.pieces/{name}" for side in "ab" for name in IN_PIECES),
            (),
            lambda f, said: json.loads(said.replace(str(f), "")),
        ),
        Stage("diff", _diff, _diff, ("m.npz", "b.npz", "data.npz"), (), _differing, codes=(1,)),
        Stage(
            "sweep",
            _sweep,
            _sweep,
            ("m.npz", "data.npz", "sweep.json"),
            ("sweep.json", "sweep.svg"),
            lambda f, _: json.loads((f / "sweep.json").read_text())["rows"],
        ),
    )
}


def loads(path: Path) -> bool:
    """Whether a file under its final name is whole."""
    if path.suffix == ".npz":
        spoken(path)
    elif path.suffix == ".pt":
        import torch

        torch.load(path, weights_only=True)
    elif in_pieces(path.parent):
        open_pieces(path.parent).whole()
    elif path.suffix == ".json":
        json.loads(path.read_bytes())
    elif path.suffix == ".html":
        return path.read_text().rstrip().endswith("</html>")
    elif path.suffix == ".svg":
        return path.read_text().rstrip().endswith("</svg>")
    return True


def copied(material: Path, folder: Path) -> None:
    """A fresh copy of the material."""
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.copytree(material, folder, dirs_exist_ok=True)
