"""One sample from a file: events or frames; nothing in it is executed."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from ir.check import FormatError
from stimuli.own.cameras import CAMERAS
from stimuli.own.recording import columns_of, fields_of

Columns = dict[str, NDArray[Any]]
Raw = Union[Columns, NDArray[Any]]
"""The columns of events, or an array of frames."""

MAX_BYTES = 4 << 30
"""Of one sample."""

MAX_PACKED = 1100
"""Deflate packs no better: an array that claims more is forged."""

ENCRYPTED = 1
"""A bit of the flags of a file in a zip archive."""

MAX_LINE = 1 << 16
ADDRESSED = np.dtype([("address", "u4"), ("timeStamp", "u4")])

DAMAGED = (ValueError, EOFError, KeyError, IndexError, TypeError, SyntaxError, RuntimeError, MemoryError,
           ArithmeticError, AssertionError, UnboundLocalError, struct.error, zlib.error, tokenize.TokenError,
           zipfile.BadZipFile)  # fmt: skip
"""What numpy, zipfile and tonic raise where a file is damaged."""


def read_file(path: Path, camera: str = "") -> Raw:
    """Read a recording or frames; the ending decides.

    Args:
        camera: whose addresses an ``.aedat`` file holds; empty = ``dvs128`` in version 2, ``gesture`` in version 3.

    Raises:
        FormatError: an unknown ending, or damaged; names the file.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise FormatError(unknown_ending(path))
    if not path.is_file():
        raise FormatError(f"{path} is {'no plain file' if path.exists() else 'missing'}; check the path")
    try:
        return reader(path, camera)
    except FormatError as error:
        raise error if str(path) in str(error) else FormatError(f"{path}: {error}") from error
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}") from error
    except DAMAGED as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(f"{path} is damaged or no {path.suffix} file ({why}); write it again") from error


def unknown_ending(path: Path) -> str:
    """What is said of a file whose ending no reader knows."""
    return f"{path} ends in {path.suffix or 'nothing'!r}; recordings and frames end in {', '.join(READERS)}"


def sample_of(arrays: dict[str, NDArray[Any]]) -> Raw:
    """Events or frames from the named arrays of one file.

    Raises:
        FormatError: neither columns of events nor a single array.
    """
    columns = columns_of(arrays)
    if columns is not None:
        return columns
    if len(arrays) == 1:
        return _one(next(iter(arrays.values())))
    if "frames" in arrays:
        return _one(arrays["frames"])
    named = ", ".join(sorted(arrays)[:6]) or "nothing"
    raise FormatError(f"it holds {named}; give events as t, x, y, p, or one array of frames")


def _one(array: NDArray[Any]) -> Raw:
    """A structured array as columns of events, any other as it is."""
    if array.dtype.names is None:
        return array
    columns = columns_of(fields_of(array))
    if columns is None:
        raise FormatError(f"its fields are {', '.join(array.dtype.names)}; events have t, x, y, p")
    return columns


def _npy(path: Path, camera: str) -> Raw:
    return _one(np.load(path, mmap_mode="r", allow_pickle=False))  # a mapped file is as long as it says


def _npz(path: Path, camera: str) -> Raw:
    return sample_of(arrays_of(path))


def arrays_of(path: Path) -> dict[str, NDArray[Any]]:
    """The named arrays of an ``.npz``, none of which takes more memory than the file holds.

    Raises:
        FormatError: an array is not what it says. Others of ``DAMAGED``: the file is none.
    """
    arrays: dict[str, NDArray[Any]] = {}
    left = MAX_BYTES
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            left -= info.file_size
            if left < 0 or info.file_size > MAX_PACKED * info.compress_size + 4096:
                raise FormatError(f"its array {name} claims {info.file_size} bytes; no sound file holds so much")
            if info.flag_bits & ENCRYPTED:
                raise FormatError(f"its array {name} is encrypted; pack it without a password")
            with archive.open(info) as file:
                arrays[name] = _array(file, info.file_size, name)
    return arrays


def _array(file: Any, n_bytes: int, name: str) -> NDArray[Any]:
    """One ``.npy`` of an archive, no larger than the bytes that are there."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise FormatError(f"its array {name} has the unknown .npy version {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, columns_first, dtype = read(file)
    size = dtype.itemsize
    for side in shape:
        size *= int(side)
    if dtype.hasobject or not 0 <= size <= n_bytes:
        raise FormatError(f"its array {name} declares shape {shape} of {dtype}, which is not what it holds")
    content = file.read(size)
    if len(content) != size:
        raise FormatError(f"its array {name} is cut off")
    flat = np.frombuffer(content, dtype) if size else np.zeros(0, dtype)
    return flat.reshape(shape[::-1]).T if columns_first else flat.reshape(shape)


def _h5(path: Path, camera: str) -> Raw:
    from stimuli.own.hdf5 import read_hdf5  # h5py

    return sample_of(read_hdf5(path, MAX_BYTES))


def _aedat(path: Path, camera: str) -> Raw:
    """AEDAT 2 and 3.1, through tonic's reader of addresses."""
    from tonic.io import get_aer_events_from_file  # loads torch

    with path.open("rb") as file:
        version, start = _header(file)
        rest = file.seek(0, 2) - start
        if version > 3:
            _check_packets(file, start, rest)
    if version < 3 and rest % 8:
        raise FormatError(f"{path} is cut off: {rest} bytes of events are no multiple of 8")
    events = get_aer_events_from_file(str(path), version, start) if rest else np.zeros(0, ADDRESSED)
    address, t = events["address"].astype(np.uint32), events["timeStamp"]
    if camera.startswith("davis"):  # the highest bit marks samples of its frames and of its inertial sensor
        address, t = address[address >> 31 == 0], t[address >> 31 == 0]
    x, y, p = CAMERAS[camera or ("dvs128" if version < 3 else "gesture")].pixel(address)
    return {"x": x, "y": y, "t": t.astype(np.int64), "p": p}


def _header(file: Any) -> tuple[float, int]:
    """Version of an AEDAT file and where its events begin; tonic's own reader of this leaves damaged files open."""
    first = file.readline(MAX_LINE)
    known = {b"#!AER-DAT2.0": 2.0, b"#!AER-DAT3.1": 3.1}
    if first.rstrip() not in known:
        raise FormatError(f"it begins with {first[:20]!r}, not with #!AER-DAT2.0 or #!AER-DAT3.1")
    start = file.tell()
    while (line := file.readline(MAX_LINE)).startswith(b"#"):
        start = file.tell()
        if line.rstrip().lower() in (b"#!end-header", b"#end of ascii header"):
            break
    return known[first.rstrip()], start


def _check_packets(file: Any, start: int, rest: int) -> None:
    """Raise unless the packets of an AEDAT 3.1 file lie end to end and hold polarity events of 8 bytes."""
    file.seek(start)
    while rest:
        header = file.read(28)
        if len(header) < 28:
            raise FormatError("a packet of its events is cut off")
        kind, _, size, _, _, capacity, _, _ = struct.unpack("<HHIIIIII", header)
        if kind != 1 or size != 8:
            raise FormatError(f"it holds a packet of type {kind}, {size} bytes an event; write polarity events only")
        rest -= 28 + 8 * capacity
        if rest < 0:
            raise FormatError("a packet of its events is cut off")
        file.seek(8 * capacity, 1)


def _aedat4(path: Path, camera: str) -> Raw:
    """AEDAT 4, through the package ``aedat`` as tonic does."""
    from stimuli.own.aedat4 import read_aedat4

    return read_aedat4(path)


def _bin(path: Path, camera: str) -> Raw:
    """The 5-byte events of N-MNIST and N-Caltech101, through tonic."""
    from tonic.io import read_mnist_file  # loads torch

    if path.stat().st_size % 5:
        raise FormatError(f"{path} is cut off: its length is no multiple of the 5 bytes of an event")
    wide = np.dtype([("x", np.int64), ("y", np.int64), ("t", np.int64), ("p", np.int64)])
    return _one(read_mnist_file(str(path), wide))


READERS: dict[str, Callable[[Path, str], Raw]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".h5": _h5,
    ".hdf5": _h5,
    ".aedat": _aedat,
    ".aedat4": _aedat4,
    ".bin": _bin,
}
"""What reads a file, by its ending."""
