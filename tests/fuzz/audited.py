"""Readers under an audit hook: after a sound file of each kind, none executes, imports, starts or opens anything else.

usage: python -m tests.fuzz.audited FOLDER [--mutants 20]

Prints what was done against that and ends with 1, or how many files were read. Beside the hook, which sees what Python
does, ``tests/fuzz/test_audited.py`` runs it under strace, which sees C as well; ``MARK`` is looked for at the moment
from which on it counts.
"""

from __future__ import annotations

import argparse
import codecs
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx

from exchange.open import open_network
from ir.apart import STATM
from tests.fuzz.containers import SPOILERS
from tests.fuzz.kinds import READERS, Reader
from tests.fuzz.mutate import spoil
from tests.fuzz.sound import sound

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


def mutants(contents: list[bytes], path: Path, n: int, folder: Path, rng: np.random.Generator) -> Iterator[bytes]:
    """Spoilt contents of a file, half of them spoilt inside where there is an inside."""
    inside = SPOILERS.get(path.suffix)
    for i in range(n):
        content = contents[i // 2 % len(contents)]
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
    contents = sound(folder)
    files = {name: (folder / reader.place, reader) for name, reader in READERS.items()}
    spoilt = {
        name: list(mutants(contents[name], path, asked.mutants, folder, rng)) for name, (path, _) in files.items()
    }
    hostile = _hostile(folder, contents)
    for name, (path, reader) in files.items():
        for content in contents[name]:  # once, as it is: a sound file passes
            path.write_bytes(content)
            reader.fit(path)
            reader.read(path)
        for content in spoilt[name][:2]:  # and the ways of refusing are known
            _spoilt(path, content, reader)
    codecs.lookup("ascii")  # h5py's, of Python's own library: the child that looked it up is gone
    audit = Audit(folder)
    audit.arm()
    n = 0
    for name, (path, reader) in files.items():
        reader.read(path)
        for content in spoilt[name]:
            audit.look(_spoilt(path, content, reader))
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


def _hostile(folder: Path, contents: dict[str, list[bytes]]) -> list[tuple[Path, str]]:
    """Files that name others."""
    found: list[tuple[Path, str]] = []
    for kind in HDF5:
        path = folder / f"{kind}.nir"
        path.write_bytes(contents["network.nir"][0])
        linked_nir(path, kind)
        found.append((path, kind))
    for i, location in enumerate(ONNX):
        path = folder / f"outside{i}.onnx"
        path.write_bytes(contents["network.onnx"][-1])  # not of ours, which has a note and needs no weights
        outside_onnx(path, location)
        found.append((path, location))
    return found


def _spoilt(path: Path, content: bytes, reader: Reader) -> str:
    """Read a spoilt file; the sentence, if it is refused."""
    before, said = path.read_bytes(), ""
    path.write_bytes(content)
    reader.fit(path)
    try:
        reader.read(path)
    except (ValueError, OSError) as error:
        said = str(error)
    path.write_bytes(before)
    reader.fit(path)
    return said


if __name__ == "__main__":
    sys.exit(main())
