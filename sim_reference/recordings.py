"""Recorded currents, voltages and spikes of a network's layers, read from a folder with a ``verify.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exchange.npy import load_npy
from exchange.toml import read_toml
from ir.arrays import Array
from ir.check import INT32, FormatError
from ir.toml_lines import located
from ir.words import meant

FILE = "verify.toml"
QUANTITIES = {"u": "-u", "v": "-v", "s": ""}
"""What is recorded, and the end of its file's stem."""

KEYS = ("network", "input", "steps", "delay", "marker", "shift", "layer")
LAYER_KEYS = ("name", "layer", "resets", "shift")
MAX_ARRAY_BYTES = 4 << 30


@dataclass(frozen=True, eq=False)
class LayerRecording:
    """What was recorded of one layer.

    Attributes:
        name: stem of its files.
        layer: its number in the network file, which counts input and flatten layers too.
        resets: time steps before which u = v = 0.
        shift: the value of time step t is recorded at t + shift.
        values: (T, N) by quantity, ``u``, ``v`` (registers after the step) and ``s`` (spikes); only what is there.
    """

    name: str
    layer: int
    resets: tuple[int, ...]
    shift: int
    values: dict[str, Array]


@dataclass(frozen=True, eq=False)
class Recordings:
    """A folder of recordings.

    Attributes:
        network: file name of the network they were made with.
        input: (T, N_in) spikes of layer 0.
        steps: time steps that are compared.
        delay: a spike of step t arrives at t + delay.
        marker: what v reads at a spike instead of its value; None = v is compared everywhere.
        layers: by their number.
    """

    network: str
    input: Array
    steps: int
    delay: int
    marker: int | None
    layers: tuple[LayerRecording, ...]


def read_recordings(folder: str | Path) -> Recordings:
    """Read ``verify.toml`` and the arrays beside it: (W, H, C, T) or (N, T), turned into (T, N).

    Raises:
        FormatError: missing, damaged, or a key or array is not what it must be; names the file, and the line of a key.
    """
    path = Path(folder) / FILE
    if not path.exists():
        raise FormatError(f"{path} does not exist; a folder of recordings needs {FILE} and its arrays")
    table = read_toml(path)
    text = path.read_text("utf-8-sig")
    try:
        return _recordings(path, table, text)
    except FormatError as error:
        raise FormatError(located(str(error), str(path), text)) from error


def _recordings(path: Path, table: dict[str, Any], text: str) -> Recordings:
    folder = path.parent
    _check_keys(path, table, KEYS)
    layers = table.get("layer", [])
    if not isinstance(layers, list) or not all(isinstance(x, dict) for x in layers):
        raise FormatError(f"{path}: layers must be tables, [[layer]]")
    name = table.get("input", "input.npy")
    given = _read_array(folder, name if isinstance(name, str) else "")
    if given is None:
        raise FormatError(f"{folder / str(name)} does not exist; {path} names it as the input")
    shift = _whole(path, table, "shift", 0)
    found: list[LayerRecording] = []
    for i, layer in enumerate(layers):
        try:
            found.append(_read_layer(path, layer, shift))
            if found[-1].layer in (x.layer for x in found[:-1]):
                raise FormatError(f"{path}: layer {found[-1].layer} has two tables; give each layer one")
        except FormatError as error:
            raise FormatError(located(str(error), str(path), text, "layer", i)) from error
    if not any(x.values for x in found):
        raise FormatError(f"{path} names no layer that has a recording beside it; nothing can be compared")
    return Recordings(
        network=str(table.get("network", "")),
        input=given,
        steps=min(_whole(path, table, "steps", len(given), least=1), len(given)),
        delay=_whole(path, table, "delay", 1),
        marker=_whole(path, table, "marker", 0) if "marker" in table else None,
        layers=tuple(sorted(found, key=lambda x: x.layer)),
    )


def _check_keys(path: Path, table: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise FormatError(f"{path}: {key} is an unknown key{meant(key, known)}; known here are {', '.join(known)}")


def _whole(path: Path, table: dict[str, Any], key: str, default: int | None = None, least: int = 0) -> int:
    value = table.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or (value < least and key not in ("marker", "shift")):
        raise FormatError(f"{path}: {key} is {value!r}; give a whole number, at least {least}")
    if not INT32[0] <= value <= INT32[1]:
        raise FormatError(f"{path}: {key} is {value}; it must lie in {INT32[0]}..{INT32[1]}")
    return value


def _read_layer(path: Path, table: dict[str, Any], shift: int) -> LayerRecording:
    _check_keys(path, table, LAYER_KEYS)
    name, resets = table.get("name"), table.get("resets", [])
    if not isinstance(name, str):
        raise FormatError(f"{path}: name is {name!r}; give the stem of the files of this recording")
    if not isinstance(resets, list) or not all(type(x) is int and x >= 0 for x in resets):
        raise FormatError(f"{path}: resets is {resets!r}; give resets as a list of time steps")
    arrays = {q: _read_array(path.parent, f"{name}{end}.npy") for q, end in QUANTITIES.items()}
    values = {q: array for q, array in arrays.items() if array is not None}
    if len({array.shape for array in values.values()}) > 1:
        raise FormatError(f"{path.parent}: the arrays of {name} differ in shape; record them together")
    return LayerRecording(
        name, _whole(path, table, "layer"), tuple(resets), _whole(path, table, "shift", shift), values
    )


def _read_array(folder: Path, name: str) -> Array | None:
    """(T, N) integers; None where the file is absent."""
    path = folder / name
    if Path(name).name != name or not name:
        raise FormatError(f"{folder / FILE}: {name!r} is no file name; recordings lie beside {FILE}")
    array = load_npy(path, MAX_ARRAY_BYTES)
    if array is None:
        return None
    if array.ndim not in (2, 4) or array.dtype.kind not in "iub" or array.size == 0:
        raise FormatError(f"{path} is {array.dtype} {array.shape}; give whole numbers as (W, H, C, T) or (N, T)")
    return np.ascontiguousarray(array.T).reshape(array.shape[-1], -1).astype(np.int64)
