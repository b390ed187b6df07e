"""Every reader of files: where its file lies in a folder of sound files, and what reads it.

``tests.fuzz.sound`` writes the folder; the audit and the fuzzing along edges both go through this list.
"""

from __future__ import annotations

import importlib.util
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from exchange import npz
from exchange.chip_toml import load_chip
from exchange.open import open_network
from exchange.pieces import HEAD, open_pieces, sealed
from exchange.seal import seal
from exchange.train_files import FORMAT, read_history, read_sealed
from sim_reference.recordings import read_recordings
from stimuli.data_sets import load
from stimuli.own.data import open_data
from tests.faults.artifacts import read_checkpoint
from trainer.config import read_toml
from unlayered.experiments.lines import read_lines
from unlayered.report.results import read_results
from unlayered.sources import read_frames
from unlayered.sweeping import NOT_SEALED, kept

PIECES = importlib.util.find_spec("pyarrow") is not None
KEY = "0123456789abcdef"
RECORDINGS = (".npy", ".npz", ".h5", ".bin", ".aedat")


class Reader(NamedTuple):
    """A kind of file.

    Attributes:
        place: of the file, below the folder. read: given that path.
        fit: makes seals and checksums fit what was spoilt, as only a forger does; else nothing behind them is tried.
    """

    place: str
    read: Callable[[Path], Any]
    fit: Callable[[Path], None] = lambda path: None


def _nir(path: Path) -> Any:
    return open_network(path, None if b"unlayered" in path.read_bytes() else "norse")


def _recording(path: Path) -> Any:
    return _folder(path.parents[2])


def _folder(path: Path) -> Any:
    return open_data(f"folder:{path}", None, "train", {}, npz).stimulus()


def _pieces(path: Path) -> Any:
    pieces = open_pieces(path.parent)
    return pieces.rest, pieces.whole()


def _data_set(name: str, parents: int, split: str = "train") -> Callable[[Path], Any]:
    return lambda path: load(name, path.parents[parents], split)


def _in_head(path: Path) -> None:
    """Write into ``trace.json`` what the file of a piece is now."""
    head = path.parent / HEAD
    value = json.loads(head.read_bytes())
    number, _, name = path.name.partition(".")
    value["pieces"][int(number)]["files"][name] = sealed(path.read_bytes())
    del value["seal"]
    head.write_text(json.dumps({**value, "seal": seal(value)}))


def _tree(path: Path) -> Any:
    """What a JSON file holds; None where it is none, or for one in eight, which stays without a seal that fits."""
    content = path.read_bytes()
    try:
        return None if zlib.crc32(content) % 8 == 0 else json.loads(content)
    except (ValueError, RecursionError):
        return None


def _resealed(path: Path) -> None:
    value = _tree(path)
    if isinstance(value, dict) and "seal" in value:
        left = {"seal"} if path.name == HEAD else NOT_SEALED
        fit = seal({name: part for name, part in value.items() if name not in left})
        path.write_text(json.dumps({**value, "seal": fit}))


def _configured(path: Path) -> None:
    value = _tree(path)
    if isinstance(value, dict) and isinstance(value.get("seals"), dict):
        own = {name: part for name, part in value.items() if name not in ("format", "seals")}
        path.write_text(json.dumps({**value, "seals": {**value["seals"], "config.json": seal(own)}}))


def _history(path: Path) -> None:
    value = _tree(path)
    if value is not None:
        seals = {"config.json": seal({}), "metrics.json": [seal(value)]}
        path.with_name("config.json").write_text(json.dumps({"format": FORMAT, "seals": seals}))


def _swept(path: Path) -> Any:
    return read_results(path), kept(path, KEY)


READERS: dict[str, Reader] = {
    "ours.npz": Reader("ours.npz", npz.load),
    "network.nir": Reader("network.nir", _nir),
    "network.onnx": Reader("network.onnx", open_network),
    "network.net": Reader("network.net", open_network),
    "frames.npy": Reader("frames.npy", read_frames),
    "chip.toml": Reader("chip.toml", load_chip),
    "training.toml": Reader("training.toml", read_toml),
    **{f"recording{x}": Reader(f"recordings{x}/train/0/a{x}", _recording) for x in RECORDINGS},
    "labels.csv": Reader("labelled/labels.csv", lambda path: _folder(path.parent)),
    "data.toml": Reader("formed/data.toml", lambda path: _folder(path.parent)),
    "last.pt": Reader("last.pt", read_checkpoint),
    "config.json": Reader("net/config.json", read_sealed, _configured),
    "metrics.json": Reader("net/metrics.json", lambda path: read_history(path.parent), _history),
    "sweep.json": Reader("sweep.json", _swept, _resealed),
    "diff.json": Reader("diff.json", read_results),
    "verify.toml": Reader("replay/verify.toml", lambda path: read_recordings(path.parent)),
    "replayed.npy": Reader("replay/fc-1-v.npy", lambda path: read_recordings(path.parent)),
    "rows.jsonl": Reader("rows.jsonl", read_lines),
    "mnist": Reader("mnist/train-images-idx3-ubyte", _data_set("mnist", 0)),
    "mnist.gz": Reader("packed/train-images-idx3-ubyte.gz", _data_set("mnist", 0)),
    "cifar10.bin": Reader("cifar/cifar-10-batches-bin/test_batch.bin", _data_set("cifar10", 1, "test")),
    "cifar10.npz": Reader("jpeg/cifar10_jpeg.npz", _data_set("cifar10", 0)),
    "nmnist.bin": Reader("NMNIST/Train/0/00000.bin", _data_set("nmnist", 3)),
    "shd.h5": Reader("SHD/shd_train.h5", _data_set("shd", 1)),
    "gesture.npy": Reader("DVSGesture/ibmGestureTrain/user01_led/3.npy", _data_set("dvsgesture", 3)),
}
"""By what a person calls the file."""

if PIECES:
    READERS |= {
        f"pieces {name}": Reader(f"t.pieces/{name}", _pieces, _resealed if name == HEAD else _in_head)
        for name in (HEAD, "00000.spikes.parquet", "00000.rest.npz", "00000.v.npy")
    }
