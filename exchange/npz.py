"""Our own files: one ``.npz`` without pickle, a JSON header that says what the arrays are."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from contextlib import nullcontext
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from exchange.npy import read_header, size_of
from exchange.plain import check_readable, newer, write_atomically, write_together
from ir.check import FormatError, sentence, within
from ir.chip import Chip, IntFormat, Limits, Mesh, Range, SynapseFormat
from ir.clockless import Clockless
from ir.connection import Conv2d, Dense, Sparse
from ir.contract import BEFORE_NUMBERS
from ir.mapped import Core, MappedNetwork
from ir.network import Input, Network, Population, Projection
from ir.neurons import MODELS
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.state import YOUNGER, State
from ir.stimulus import Stimulus
from ir.timing import EffectLog, Timing
from ir.trace import Spikes, Trace

__all__ = ["encoded", "load", "save", "write_atomically", "write_together"]

VERSION = 2
HEADER = "unlayered"
MAX_HEADER_BYTES = 16 << 20
MAX_PACKED = 1100
"""Deflate packs no better: an array that claims more is forged."""

FREE_BYTES, BYTES_A_BYTE = 512 << 20, 64
"""What a file may take of memory: so much, and so much for each of its bytes; each value of an array counts 8."""

TYPES: dict[str, type] = {
    c.__name__: c
    for c in (
        Chip,
        Clockless,
        Conv2d,
        Core,
        Dense,
        EffectLog,
        FixedPopulation,
        FixedProjection,
        Input,
        IntFormat,
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
        State,
        Stimulus,
        SynapseFormat,
        Timing,
        Trace,
    )
}


def _types() -> dict[str, Any]:
    """Everything a file may hold, by name; neuron models are those of the table."""
    return {**TYPES, **{kind.__name__: kind for model in MODELS.values() for kind in model if kind}}


NUMBERED = ("MappedNetwork", "Trace")
"""They carry the number of their contract."""
NAMES = {
    "FixedPopulation": "population '{name}'",
    "FixedProjection": "projection {pre} -> {post}",
    "Population": "population '{name}'",
    "Projection": "projection {pre} -> {post}",
}
"""How what is wrong inside a part of a network begins."""

TOP = ("Network", "QuantizedNetwork", "MappedNetwork", "Trace", "Stimulus", "State", "EffectLog")

LEFT_OUT = {
    ("Trace", "state"): None,
    ("Trace", "timing"): None,
    ("Trace", "output_fires"): None,
    ("Spikes", "ps"): None,
    ("Spikes", "payload"): None,
    **dict.fromkeys(YOUNGER),
}
"""Fields that a file lacks where they have this value, so that releases which do not know them read it."""

T = TypeVar("T")


def save(value: Any, path: str | Path) -> None:
    """Write a network, trace, stimulus or state; the file appears whole or not at all.

    Raises:
        FormatError: the folder is missing or the disk is full.
    """
    write_atomically(path, encoded(value))


def encoded(value: Any) -> memoryview:
    """The bytes that :func:`save` writes; what packs so well that a reader would be wary of it stays unpacked."""
    arrays: dict[str, Any] = {}
    header = {"format": HEADER, "version": VERSION, "value": _encode(value, arrays)}
    arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    if arrays[HEADER].size > MAX_HEADER_BYTES:
        raise FormatError(f"the {type(value).__name__} has too many parts for one file; split it")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    if 8 * sum(array.size for array in arrays.values()) > budget_of(buffer.tell()):
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
    return buffer.getbuffer()


def budget_of(file_bytes: int) -> int:
    """How many bytes the arrays of a file may take; whatever :func:`save` writes stays inside."""
    return FREE_BYTES + BYTES_A_BYTE * file_bytes


def load(path: str | Path, expect: type[T] | tuple[type[T], ...] | None = None) -> T:
    """Read a file that :func:`save` wrote; nothing in it is executed, and it takes no more memory than its size allows.

    Args:
        expect: the type or types it may hold; None = any.

    Raises:
        FormatError: missing, truncated, foreign, too large, or inconsistent; names the file.
    """
    path = Path(path)
    check_readable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            value = _Contents(archive, os.path.getsize(path)).value()
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FormatError(
            f"{path} is truncated or no unlayered .npz ({error}); write it again with unlayered"
        ) from error
    except RecursionError as error:
        raise FormatError(f"{path} is no unlayered .npz (too deeply nested); write it again with unlayered") from error
    except MemoryError as error:
        raise FormatError(f"{path} needs more memory than there is; split it") from error
    except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: an encrypted or otherwise odd archive
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
    if type(value).__name__ in _types():
        kind = type(value).__name__
        parts = {f.name: getattr(value, f.name) for f in fields(value)}
        said = {name: x for name, x in parts.items() if (kind, name) not in LEFT_OUT or x is not LEFT_OUT[kind, name]}
        return {"type": kind, "fields": {name: _encode(x, arrays) for name, x in said.items()}}
    if isinstance(value, tuple):
        return {"type": "tuple", "items": [_encode(v, arrays) for v in value]}
    if isinstance(value, dict):
        return {"type": "dict", "items": {str(k): _encode(v, arrays) for k, v in value.items()}}
    if isinstance(value, np.generic):
        return value.item()
    return value


def _with_states(content: dict[str, Any]) -> dict[str, Any]:
    """The fields of a trace; version 1 of the format had ``v`` and ``u`` side by side."""
    if "states" in content:
        return content
    states = {name: content[name] for name in ("v", "u") if content.get(name) is not None}
    return {"states": states, **{name: part for name, part in content.items() if name not in ("v", "u")}}


class _Contents:
    """What an archive holds; each array is decoded once and shared, within what the file may take of memory."""

    def __init__(self, archive: zipfile.ZipFile, file_bytes: int) -> None:
        self.archive = archive
        self.left = budget_of(file_bytes)
        self.arrays: dict[str, NDArray[Any]] = {}

    def value(self) -> Any:
        """The network, trace or stimulus."""
        header = json.loads(bytes(self._read(HEADER, MAX_HEADER_BYTES)))
        top = header.get("value") if isinstance(header, dict) else None
        if not isinstance(header, dict) or header.get("format") != HEADER or not isinstance(top, dict):
            raise FormatError("it is no unlayered file; write it with unlayered")
        version = header.get("version")
        if type(version) is not int or not 0 < version <= VERSION:
            raise FormatError(f"it {newer(version, VERSION)}")
        if top.get("type") not in TOP:
            raise FormatError("it is no unlayered file; write it with unlayered")
        return self._decode(top)

    def _decode(self, node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        kind = node.get("type")
        if kind == "array":
            return self._array(str(node.get("name")))
        if kind == "tuple":
            return tuple(self._decode(item) for item in self._part(node, "items", list))
        if kind == "dict":
            return {str(k): self._decode(v) for k, v in self._part(node, "items", dict).items()}
        types = _types()
        if not isinstance(kind, str) or kind not in types:
            raise FormatError(f"it holds a {kind!r}, which is nothing of ours; write it with unlayered")
        given = self._part(node, "fields", dict)
        known = {f.name: f.default is MISSING and f.default_factory is MISSING for f in fields(types[kind])}
        if kind == "Trace" and "states" not in given:
            known = {**known, "states": False, "v": False, "u": False}
        wrong = [name for name in given if name not in known] or [n for n in known if known[n] and n not in given]
        if wrong:
            raise FormatError(f"its {kind} {'has an unknown' if wrong[0] in given else 'lacks the'} field {wrong[0]!r}")
        named = NAMES[kind].format_map(given) if kind in NAMES else ""
        with within(named) if named else nullcontext():
            content = {name: self._decode(part) for name, part in given.items()}
            if kind == "Trace":
                content = _with_states(content)
            if kind in NUMBERED:
                content.setdefault("contract", BEFORE_NUMBERS)
            return types[kind](**content)

    def _part(self, node: dict[str, Any], name: str, kind: type) -> Any:
        part = node.get(name)
        if not isinstance(part, kind):
            raise FormatError(f"the {name} of one of its parts are no {kind.__name__}; write it with unlayered")
        return part

    def _array(self, name: str) -> NDArray[Any]:
        if name in self.arrays:
            self._take(name, self.arrays[name].size)
        else:
            self.arrays[name] = self._read(name, self.left)
        return self.arrays[name]

    def _take(self, name: str, n_values: int) -> None:
        """Count what an array, or a copy of it in another type, may take."""
        self.left -= 8 * n_values
        if self.left < 0:
            raise FormatError(f"with array {name!r} it takes more memory than a file of its size may; it is forged")

    def _read(self, name: str, max_bytes: int) -> NDArray[Any]:
        """Read one array; its declared size must be what the archive really holds, before any memory is taken."""
        try:
            info = self.archive.getinfo(f"{name}.npy")
        except KeyError as error:
            raise FormatError(f"it holds no array {sentence(repr(name))}; write it with unlayered") from error
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormatError(f"array {name!r} is packed in a way that unlayered never does; write it with unlayered")
        if info.file_size > max_bytes or info.file_size > MAX_PACKED * info.compress_size + 4096:
            raise FormatError(f"array {name!r} claims {info.file_size} bytes; that is more than a sound file holds")
        with self.archive.open(info) as file:
            shape, columns_first, dtype = read_header(file)
            if columns_first:
                raise FormatError(f"array {name!r} is stored by columns; only C order is read")
            size = size_of(shape, dtype)
            if size <= info.file_size:
                self._take(name, size // dtype.itemsize)
            content = file.read(min(size, info.file_size) + 1)
        if len(content) != size:
            raise FormatError(f"array {name!r} declares {size} bytes and holds {len(content)}")
        return np.frombuffer(content, dtype).reshape(shape)
