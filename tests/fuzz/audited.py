"""Readers under an audit hook: after a sound file of each kind, none executes, imports, starts or opens anything else.

usage: python -m tests.fuzz.audited FOLDER [--mutants 20]

Prints what was done against that and ends with 1, or how many files were read. Beside the hook, which sees what Python
does, ``tests/fuzz/test_audited.py`` runs it under strace, which sees C as well; ``MARK`` is looked for at the moment
from which on it counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx

from exchange import npz
from exchange.chip_toml import CHIPS, load_chip
from exchange.open import open_network
from exchange.pieces import open_pieces
from exchange.pieces_out import save
from ir.apart import STATM
from ir.trace_parts import select
from stimuli.own.data import open_data
from tests.fuzz import seeds
from tests.fuzz.containers import SPOILERS
from tests.fuzz.mutate import spoil
from tests.stimuli.own.recordings import striped, write
from trainer.config import SHIPPED
from trainer.config import read_toml as read_training
from unlayered.sources import read_frames

MARK = "/armed"
PIECES = importlib.util.find_spec("pyarrow") is not None
RECORDINGS = (".npy", ".npz", ".h5", ".bin", ".aedat")

FORBIDDEN = (
    *("exec", "import", "pickle.find_class", "marshal.loads", "code.__new__", "ctypes.dlopen", "os.system", "os.exec"),
    *(
        "os.posix_spawn",
        "os.spawn",
        "subprocess.Popen",
        "socket.__new__",
        "socket.connect",
        "socket.bind",
        "urllib.Request",
    ),
)


class Audit:
    """What was done that is forbidden, from :meth:`arm` on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.armed, self.done = os.path.realpath(folder), False, list[str]()
        sys.addaudithook(self.hear)

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Note what is forbidden, and forbid it."""
        if not self.armed:
            return
        if event in FORBIDDEN or (event == "open" and self._outside(args[0])):
            self.done.append(f"{event} {args!r}"[:300])
            raise PermissionError(f"forbidden: {event}")

    def _outside(self, path: Any) -> bool:
        if isinstance(path, int) or path == STATM:
            return False
        return not os.path.realpath(os.fsdecode(path)).startswith(self.folder + os.sep)

    def look(self, sentence: str) -> None:
        """Note what a process that a reader had started was forbidden: its sentence says so."""
        if "forbidden: " in sentence:
            self.done.append(sentence)

    def arm(self) -> None:
        """From now on."""
        with suppress(OSError):
            open(MARK)  # for strace
        self.armed = True


def linked_nir(path: Path, kind: str) -> None:
    """A network file one of whose weights is elsewhere."""
    with h5py.File(path, "a") as file:
        weights: list[str] = []
        file.visititems(lambda name, x: weights.append(name) if getattr(x, "ndim", 0) and x.dtype.kind == "f" else None)
        group, _, name = weights[0].rpartition("/")
        node, weight = file[group], file[weights[0]][()]
        del node[name]
        if kind == "link":
            node[name] = h5py.ExternalLink("/etc/hostname", "/w")
        elif kind == "external":
            node.create_dataset(name, weight.shape, weight.dtype, external=[("/etc/hostname", 0, weight.nbytes)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout(weight.shape, weight.dtype)
            layout[:] = h5py.VirtualSource("/etc/hostname", "w", weight.shape)
            node.create_virtual_dataset(name, layout)
        else:
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk(weight.shape)
            plist.set_filter(32004, h5py.h5z.FLAG_OPTIONAL, (0,))  # LZ4, a plugin
            space = h5py.h5s.create_simple(weight.shape)
            made = h5py.h5d.create(node.id, name.encode(), h5py.h5t.py_create(weight.dtype), space, plist)
            made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(weight))


HDF5 = ("link", "external", "virtual", "plugin")
ONNX = ("/etc/hostname", "../outside.bin", "sub/../../outside.bin")


def outside_onnx(path: Path, location: str) -> None:
    """A model whose first weights lie in another file."""
    model = onnx.load_model_from_string(path.read_bytes())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in (("location", location), ("offset", "0"), ("length", "4")):
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def corpus(folder: Path) -> dict[str, tuple[Path, Callable[[Path], Any]]]:
    """A sound file of each kind, and what reads it."""
    found: dict[str, tuple[Path, Callable[[Path], Any]]] = {}
    values = {"network": seeds.float_network(), "fixed": seeds.fixed_network(), "mapped": seeds.mapped_network(),
              "trace": seeds.small_trace(), "stimulus": seeds.small_stimulus()}  # fmt: skip
    for name, value in values.items():
        npz.save(value, folder / f"{name}.npz")
        found[name] = folder / f"{name}.npz", npz.load
    (folder / "a.nir").write_bytes(seeds.written(seeds.float_network(), folder / "made.nir"))
    (folder / "b.onnx").write_bytes(seeds.relu_model())
    (folder / "c.net").write_bytes(seeds.written(seeds.fixed_network(), folder / "made.net"))
    found |= {
        f"network{path.suffix}": (path, open_network)
        for path in (folder / "a.nir", folder / "b.onnx", folder / "c.net")
    }
    np.save(folder / "frames.npy", np.ones((2, 3, 4), np.int8))
    (folder / "chip.toml").write_bytes((CHIPS / "loihi2.toml").read_bytes())
    (folder / "training.toml").write_bytes(sorted(SHIPPED.glob("*.toml"))[0].read_bytes())
    found |= {"frames": (folder / "frames.npy", read_frames), "chip": (folder / "chip.toml", load_chip),
              "training": (folder / "training.toml", read_training)}  # fmt: skip
    for ending in RECORDINGS:
        data = folder / f"recordings{ending}"
        for part in ("train", "test"):
            write(data / part / "0" / f"a{ending}", striped(0, 1))
        found[f"recording{ending}"] = data / "train" / "0" / f"a{ending}", _recording
    if PIECES:
        trace = seeds.small_trace()
        save([select(trace, slice(0, 1)), select(trace, slice(1, None))], folder / "t.pieces")
        for name in ("trace.json", "00000.spikes.parquet", "00000.rest.npz", "00000.v.npy"):
            found[f"pieces {name}"] = folder / "t.pieces" / name, _pieces
    return found


def _recording(path: Path) -> Any:
    return open_data(f"folder:{path.parents[2]}", None, "train", {}, npz).stimulus()


def _pieces(path: Path) -> Any:
    return open_pieces(path.parent).whole()


def mutants(path: Path, n: int, folder: Path, rng: np.random.Generator) -> Iterator[bytes]:
    """Spoilt contents of a file, half of them spoilt inside where there is an inside."""
    content, inside = path.read_bytes(), None if "recordings" in str(path) else SPOILERS.get(path.suffix)
    for i in range(n):
        yield spoil(content, rng) if inside is None or i % 2 else inside(content, folder / "rewritten", rng)


def main() -> int:
    """Read everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mutants", type=int, default=20)
    asked = parser.parse_args()
    folder, rng = asked.folder / "read", np.random.default_rng(7)
    folder.mkdir()
    (asked.folder / "outside.bin").write_bytes(bytes(64))
    files = corpus(folder)
    spoilt = {name: list(mutants(path, asked.mutants, folder, rng)) for name, (path, _) in files.items()}
    hostile = _hostile(folder)
    for name, (path, read) in files.items():
        read(path)  # once, as it is: a sound file passes
        for content in spoilt[name][:2]:  # and the ways of refusing are known
            _spoilt(path, content, read)
    audit = Audit(folder)
    audit.arm()
    n = 0
    for name, (path, read) in files.items():
        read(path)
        for content in spoilt[name]:
            audit.look(_spoilt(path, content, read))
            n += 1
    for path, what in hostile:
        try:
            open_network(path)
            audit.done.append(f"{path.name} was read: {what}")
        except ValueError as error:
            audit.look(str(error))
            n += 1
    audit.armed = False
    for line in audit.done:
        print(line)
    print(f"{n} spoilt files of {len(files)} kinds were read or refused")
    return 1 if audit.done else 0


def _hostile(folder: Path) -> list[tuple[Path, str]]:
    """Files that name others."""
    found: list[tuple[Path, str]] = []
    for kind in HDF5:
        path = folder / f"{kind}.nir"
        path.write_bytes((folder / "a.nir").read_bytes())
        linked_nir(path, kind)
        found.append((path, kind))
    for i, location in enumerate(ONNX):
        path = folder / f"outside{i}.onnx"
        path.write_bytes((folder / "b.onnx").read_bytes())
        outside_onnx(path, location)
        found.append((path, location))
    return found


def _spoilt(path: Path, content: bytes, read: Callable[[Path], Any]) -> str:
    """Read a spoilt file; the sentence, if it is refused."""
    sound, said = path.read_bytes(), ""
    path.write_bytes(content)
    try:
        read(path)
    except ValueError as error:
        said = str(error)
    path.write_bytes(sound)
    return said


if __name__ == "__main__":
    sys.exit(main())
