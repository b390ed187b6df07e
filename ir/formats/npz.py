"""Our own files: one ``.npz`` without pickle, a JSON header that says what the arrays are."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ir.check import FormatError
from ir.chip import Chip, IntFormat, Limits, Mesh, Range, SynapseFormat
from ir.connection import Conv2d, Dense, Sparse
from ir.formats.temporary import LOCKS, made_beside, remove_litter, removed_if_ended
from ir.mapped import Core, MappedNetwork
from ir.network import LIF, Input, Network, Population, Projection
from ir.quantized import FixedLIF, FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Spikes, Trace

VERSION = 1
HEADER = "unlayered"
MAX_HEADER_BYTES = 64 << 20
MAX_ARRAY_BYTES = 16 << 30
PIECE_BYTES = 16 << 20

TYPES: dict[str, type] = {
    c.__name__: c
    for c in (
        Chip,
        Conv2d,
        Core,
        Dense,
        FixedLIF,
        FixedPopulation,
        FixedProjection,
        Input,
        IntFormat,
        LIF,
        Limits,
        MappedNetwork,
        Mesh,
        Network,
        Population,
        Projection,
        QuantizedNetwork,
        Range,
        Schedule,
        Sparse,
        Spikes,
        Stimulus,
        SynapseFormat,
        Trace,
    )
}
TOP = ("Network", "QuantizedNetwork", "MappedNetwork", "Trace", "Stimulus")

T = TypeVar("T")


def save(value: Any, path: str | Path) -> None:
    """Write a network, trace or stimulus; the file appears whole or not at all.

    Raises:
        FormatError: the folder is missing or the disk is full.
    """
    write_atomically(path, encoded(value))


def encoded(value: Any) -> memoryview:
    """The bytes that :func:`save` writes."""
    arrays: dict[str, Any] = {}
    header = {"format": HEADER, "version": VERSION, "value": _encode(value, arrays)}
    arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getbuffer()


def write_atomically(path: str | Path, content: bytes | memoryview) -> None:
    """Write to a temporary file beside ``path``, then rename."""
    write_together({Path(path): content})


def check_plain(path: Path) -> None:
    """Raise where a path is taken by something that is no plain file: renaming would replace a pipe or a device.

    Raises:
        FormatError: says which.
    """
    if path.exists() and not path.is_file():
        raise FormatError(f"cannot write {path}: it is there and no plain file; choose another name")


def write_together(contents: Mapping[Path, bytes | memoryview]) -> None:
    """Write several files that appear together or not at all: each to a temporary file beside it, then all renamed.

    Raises:
        FormatError: a folder is missing, the disk is full, or a path is there already and no plain file.
    """
    names: list[str] = []
    path = Path()
    try:
        with removed_if_ended(names), ExitStack() as open_files:
            for path, content in contents.items():
                check_plain(path)
                remove_litter(path)
                file = open_files.enter_context(made_beside(path))
                names.append(file.name)
                for begin in range(0, len(content), PIECE_BYTES):  # signals are heard between two pieces
                    file.write(memoryview(content)[begin : begin + PIECE_BYTES])
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, 0o644)
                if not LOCKS:
                    file.close()
            for path, name in zip(contents, names):
                os.replace(name, path)
    except OSError as error:
        raise FormatError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another folder"
        ) from error
    finally:
        for name in names:
            if os.path.exists(name):
                os.unlink(name)


def load(path: str | Path, expect: type[T] | tuple[type[T], ...] | None = None) -> T:
    """Read a file that :func:`save` wrote; nothing in it is executed.

    Args:
        expect: the type or types it may hold; None = any.

    Raises:
        FormatError: missing, truncated, foreign, too large, or inconsistent; names the file.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(bytes(_read_array(archive, HEADER, MAX_HEADER_BYTES)).decode())
            if header["format"] != HEADER or header["value"]["type"] not in TOP:
                raise FormatError("it is no unlayered file")
            if header["version"] > VERSION:
                raise FormatError(
                    f"it has format version {header['version']}, this release reads up to {VERSION}; upgrade unlayered"
                )
            value = _decode(header["value"], archive)
    except FileNotFoundError as error:
        raise FormatError(f"{path} does not exist; check the path") from error
    except IsADirectoryError as error:
        raise FormatError(f"{path} is a folder; name a file") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FormatError(
            f"{path} is truncated or no unlayered .npz ({error}); write it again with unlayered"
        ) from error
    except (
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        MemoryError,
        OverflowError,
        NotImplementedError,
        SyntaxError,
    ) as error:
        raise FormatError(
            f"{path} is no unlayered .npz ({type(error).__name__}: {error}); write it again with unlayered"
        ) from error
    except (ValueError, OSError, RuntimeError) as error:
        raise FormatError(f"{path}: {error}") from error
    if expect is not None and not isinstance(value, expect):
        wanted = expect if isinstance(expect, tuple) else (expect,)
        raise FormatError(
            f"{path} holds a {type(value).__name__}; here a {' or '.join(w.__name__ for w in wanted)} is needed"
        )
    return value


def _encode(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"type": "array", "name": name}
    if type(value).__name__ in TYPES:
        content = {f.name: _encode(getattr(value, f.name), arrays) for f in fields(value)}
        return {"type": type(value).__name__, "fields": content}
    if isinstance(value, tuple):
        return {"type": "tuple", "items": [_encode(v, arrays) for v in value]}
    if isinstance(value, dict):
        return {"type": "dict", "items": {str(k): _encode(v, arrays) for k, v in value.items()}}
    if isinstance(value, np.generic):
        return value.item()
    return value


def _decode(node: Any, archive: zipfile.ZipFile) -> Any:
    if not isinstance(node, dict):
        return node
    kind = node["type"]
    if kind == "array":
        return _read_array(archive, str(node["name"]), MAX_ARRAY_BYTES)
    if kind == "tuple":
        return tuple(_decode(item, archive) for item in node["items"])
    if kind == "dict":
        return {str(k): _decode(v, archive) for k, v in node["items"].items()}
    content = {str(k): _decode(v, archive) for k, v in node["fields"].items()}
    return TYPES[kind](**content)


def _read_array(archive: zipfile.ZipFile, name: str, max_bytes: int) -> Any:
    """Read one array; its declared size must be what the archive really holds, before any memory is taken."""
    info = archive.getinfo(f"{name}.npy")
    if info.file_size > max_bytes or info.file_size > 1100 * info.compress_size + 4096:
        raise FormatError(f"array {name!r} claims {info.file_size} bytes; that is more than a sound file holds")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if reader is None:
            raise FormatError(f"array {name!r} has an unknown format version {version}")
        shape, fortran, dtype = reader(file)
        if dtype.kind not in "biuf" or fortran:
            raise FormatError(f"array {name!r} has dtype {dtype}; only plain numbers in C order are read")
        size = int(np.prod([int(s) for s in shape], dtype=object)) * dtype.itemsize
        content = file.read(size + 1)
    if len(content) != size:
        raise FormatError(f"array {name!r} declares {size} bytes and holds {len(content)}")
    return np.frombuffer(content, dtype).reshape(shape)
