"""A folder with a sound file of every kind that is read, and more sound files to begin with.

usage: python -m tests.fuzz.sound FOLDER

writes them into `FOLDER/sound`, and all contents of each kind into `FOLDER/begin/KIND`.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from exchange.pieces_out import save
from ir.schedule import Schedule
from ir.trace_parts import select
from tests.faults.artifacts import ARTIFACTS
from tests.fuzz import seeds
from tests.fuzz.kinds import PIECES, READERS, RECORDINGS
from tests.stimuli.own.recordings import aedat3, striped, write
from unlayered.experiments.lines import NEEDED

OURS = (
    *(seeds.float_network, seeds.fixed_network, seeds.mapped_network, seeds.small_trace, seeds.small_stimulus),
    *(lambda: seeds.small_state(Schedule("layered", None)), lambda: seeds.small_state(Schedule("asynchronous", None))),
)
SEEDED = {
    "network.nir": "network.nir", "network.onnx": "network.onnx", "network.net": "network.net",
    "chip.toml": "chip.toml", "training.toml": "settings.toml", "frames.npy": "stimulus.npy",
    "verify.toml": "verify.toml", "replayed.npy": "recording.npy", "diff.json": "diff.json",
}  # fmt: skip
"""Readers whose sound files ``tests.fuzz.seeds`` makes."""

OPTIONS = "window_us = 10000\nn_steps = 4\nsensor = [8, 8, 2]\ncrop = [0, 0, 6, 6]\nshrink = 2\ncounts = true\n"


def sound(folder: Path) -> dict[str, list[bytes]]:
    """Fill the folder; the sound contents of each kind, of which the first lies in its place."""
    made: dict[str, list[bytes]] = {"ours.npz": [seeds.saved(value(), folder / "0.npz") for value in OURS]}
    made |= {name: seeds.seeds(folder, kind) for name, kind in SEEDED.items()}
    shutil.copytree(seeds.beside(folder, "recordings"), folder / "replay")
    for name, kind in {"last.pt": "checkpoint", "config.json": "configuration", "sweep.json": "sweep"}.items():
        place = (folder / READERS[name].place).parent
        place.mkdir(exist_ok=True)
        made[name] = [ARTIFACTS[kind][0](place).read_bytes()]
    made["metrics.json"] = [(folder / READERS["metrics.json"].place).read_bytes()]
    row = {**dict.fromkeys(NEEDED, 1.5), "experiment": "e", "job": "j", "key": "k", "what": {"n": 1}, "versions": {}}
    made["rows.jsonl"] = [f"{json.dumps(row)}\n".encode() * 2]
    made |= _recordings(folder) | _data_sets(folder)
    if PIECES:
        trace = seeds.small_trace()
        save([select(trace, slice(0, 1)), select(trace, slice(1, None))], folder / "t.pieces")
        for name in READERS:
            if name.startswith("pieces "):
                made[name] = [(folder / READERS[name].place).read_bytes()]
    for name, contents in made.items():
        path = folder / READERS[name].place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[0])
    assert set(made) == set(READERS)
    return made


def _recordings(folder: Path) -> dict[str, list[bytes]]:
    """Recordings of one's own, labels and options of a folder."""
    found: dict[str, list[bytes]] = {}
    places = {f"recordings{x}": (f"train/0/a{x}", f"test/0/a{x}") for x in RECORDINGS}
    places |= {"formed": ("train/0/a.npy", "train/1/b.npy"), "labelled": ("train/a.npy", "train/b.npy", "test/c.npy")}
    for name, files in places.items():
        for file in files:
            write(folder / name / file, striped(0, 1))
        if name.startswith("recordings"):
            found[name.replace("recordings", "recording")] = [(folder / name / files[0]).read_bytes()]
    found["recording.aedat"].append(aedat3(striped(0, 1)))
    found["data.toml"] = [OPTIONS.encode(), b'from_first = true\nimages = "rate"\ntime_unit_us = 1000.0\n']
    found["labels.csv"] = [
        b"file,label\ntrain/a.npy,1\ntrain/b.npy,0\ntest/c.npy,1\n",
        b'"train/a.npy",x\ntrain/b.npy,y\n',
    ]
    return found


def _data_sets(folder: Path) -> dict[str, list[bytes]]:
    """The files of data sets, each of a sample or two."""
    images = b"\0\0\x08\x03" + np.array([2, 28, 28], ">u4").tobytes() + bytes(range(196)) * 8
    labels = b"\0\0\x08\x01" + np.array([2], ">u4").tobytes() + bytes([3, 4])
    for name in ("mnist", "packed"):
        (folder / name).mkdir()
        (folder / name / "train-labels-idx1-ubyte").write_bytes(labels)
    events = np.stack([np.arange(6), np.arange(6), np.arange(6) % 2, np.arange(6) * 40], 1).astype(np.int64)
    return {
        "mnist": [images],
        "mnist.gz": [gzip.compress(images, mtime=0)],
        "cifar10.bin": [bytes(range(7)) * (2 * 439)],
        "cifar10.npz": [_jpegs()],
        "nmnist.bin": [bytes([3, 4, 128, 1, 9]) * 4],
        "shd.h5": [_shd(folder / "made.h5")],
        "gesture.npy": [seeds.as_npy(events, folder / "0.npy")],
    }


def _jpegs() -> bytes:
    """Two images as ``cifar10_jpeg.npz`` holds them: what all begin with once, then the rest of each."""
    whole: list[bytes] = []
    for shade in (60, 200):
        out = io.BytesIO()
        Image.fromarray(np.full((32, 32, 3), shade, np.uint8)).save(out, "JPEG")
        whole.append(out.getvalue())
    rest = [image[20:] for image in whole]
    parts: dict[str, Any] = {"header": np.frombuffer(whole[0][:20], np.uint8), "train": np.array([1, 1])}
    parts |= {"body": np.frombuffer(b"".join(rest), np.uint8), "length": np.array([len(x) for x in rest])}
    out = io.BytesIO()
    np.savez(out, **parts, label=np.array([1, 2]))
    return out.getvalue()


def _shd(path: Path) -> bytes:
    """Two samples in the layout of the Spiking Heidelberg Digits."""
    with h5py.File(path, "w") as file:
        for name, kind, values in (("times", "f2", [[0.01, 0.5], [0.25]]), ("units", "u2", [[3, 699], [5]])):
            data = file.create_dataset(f"spikes/{name}", (2,), h5py.vlen_dtype(np.dtype(kind)))
            for i, value in enumerate(values):
                data[i] = np.array(value, kind)
        file["labels"] = np.array([1, 2], "u2")
        file["extra/keys"], file["extra/speaker"] = np.array([b"zero", b"one"]), np.array([0, 1], "u2")
    return path.read_bytes()


if __name__ == "__main__":
    (Path(sys.argv[1]) / "sound").mkdir()
    for kind, contents in sound(Path(sys.argv[1]) / "sound").items():
        (Path(sys.argv[1]) / "begin" / kind).mkdir(parents=True)
        for i, content in enumerate(contents):
            (Path(sys.argv[1]) / "begin" / kind / str(i)).write_bytes(content)
