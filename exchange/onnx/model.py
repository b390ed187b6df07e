"""Reading ONNX files from strangers: no file outside the folder, no tensor larger than what is stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from onnx import TensorProto

from ir.arrays import Array
from ir.check import FormatError

MAX_FILE_BYTES = 2 << 30
DTYPES: dict[int, Any] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
    TensorProto.FLOAT16: np.float16,
    TensorProto.INT64: np.int64,
    TensorProto.INT32: np.int32,
    TensorProto.INT16: np.int16,
    TensorProto.INT8: np.int8,
    TensorProto.UINT8: np.uint8,
    TensorProto.UINT16: np.uint16,
    TensorProto.UINT32: np.uint32,
    TensorProto.UINT64: np.uint64,
    TensorProto.BOOL: np.bool_,
}
FIELDS: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.INT32: "int32_data",
    TensorProto.UINT32: "uint64_data",
    TensorProto.UINT64: "uint64_data",
}


def read_model(path: str | Path) -> onnx.ModelProto:
    """The model of a file, tensors left as they are.

    Raises:
        FormatError: missing, too large, or no ONNX.
    """
    path = Path(path)
    if path.is_dir() or not path.exists():
        raise FormatError(f"{path} is {'a folder' if path.is_dir() else 'not there'}; name an ONNX file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise FormatError(f"{path} is larger than 2 GiB; ONNX keeps such weights in external data")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except (DecodeError, MemoryError, OSError) as error:
        why = " ".join(str(error).split())
        raise FormatError(f"{path} is truncated or no ONNX file ({why}); write it again") from error
    if not model.graph.node:
        raise FormatError(f"{path} holds no ONNX graph; write it again")
    if not _is_text(model):
        raise FormatError(f"{path} holds names that are no text; write it again")
    return model


def _is_text(message: Any) -> bool:
    """Whether every string of a message is one: protobuf hands damaged ones over as bytes."""
    waiting = [message]
    while waiting:
        for field, value in waiting.pop().ListFields():
            if field.type == FieldDescriptor.TYPE_STRING:
                if not all(isinstance(x, str) for x in ([value] if isinstance(value, (str, bytes)) else value)):
                    return False
            elif field.type == FieldDescriptor.TYPE_MESSAGE:
                waiting.extend([value] if hasattr(value, "ListFields") else value)
    return True


def tensors(model: onnx.ModelProto, folder: Path, starts: tuple[str, ...] = ("",)) -> dict[str, Array]:
    """All initializers by name, or those whose names start so.

    Raises:
        FormatError: as the readers of :func:`stored`.
    """
    return {name: read() for name, read in stored(model, Beside(folder)).items() if name.startswith(starts)}


def stored(model: onnx.ModelProto, beside: Beside) -> dict[str, Callable[[], Array]]:
    """All initializers by name, each decoded when it is asked for.

    Raises (when asked):
        FormatError: an unknown type, NaN, a declared size that is not stored, external data that is not there.
    """
    sparse = {t.values.name: partial(_sparse, t.values.name) for t in model.graph.sparse_initializer}
    return {**sparse, **{t.name: partial(array, t, beside) for t in model.graph.initializer}}


def _sparse(name: str) -> Array:
    raise FormatError(f"tensor {name!r} is a sparse one; write it as a plain one")


class Beside:
    """The files beside a model: each slice is read once, and no file more often than it is long."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[tuple[str, int, int], bytes] = {}
        self._left: dict[str, int] = {}

    def read(self, tensor: onnx.TensorProto, n_bytes: int) -> bytes:
        """A tensor's slice of a file.

        Raises:
            FormatError: a file outside the folder, or one that does not hold the slice.
        """
        entries = {e.key: e.value for e in tensor.external_data}
        where = PurePosixPath(entries.get("location", ""))
        who = f"tensor {tensor.name!r} keeps its data in {str(where)!r}"
        target = (self.folder / str(where)).resolve()
        inside = target.is_relative_to(self.folder.resolve())
        if not where.parts or where.is_absolute() or ".." in where.parts or not inside:
            raise FormatError(f"{who}, outside the model's folder; put it beside the model")
        try:
            offset, length = int(entries.get("offset", "0")), int(entries.get("length", str(n_bytes)))
        except ValueError as error:
            raise FormatError(f"{who} at {entries}; offset and length must be whole numbers") from error
        if not target.is_file() or offset < 0 or length != n_bytes or target.stat().st_size < offset + length:
            raise FormatError(f"{who}, which does not hold {n_bytes} bytes at {offset}; write the model again")
        key = (str(target), offset, n_bytes)
        if key not in self._read:
            left = self._left.get(key[0], target.stat().st_size) - n_bytes
            if left < 0:
                raise FormatError(f"{who}, where other tensors overlap it; write the model again")
            self._left[key[0]] = left
            with target.open("rb") as file:
                file.seek(offset)
                self._read[key] = file.read(n_bytes)
        return self._read[key]


def array(tensor: onnx.TensorProto, beside: Beside) -> Array:
    """One tensor as numbers, all finite."""
    who = f"tensor {tensor.name!r}"
    if tensor.data_type not in DTYPES:
        raise FormatError(f"{who} has ONNX type {tensor.data_type}; only plain numbers are read")
    shape = tuple(int(d) for d in tensor.dims)
    if any(d < 0 for d in shape):
        raise FormatError(f"{who} has shape {shape}; no side may be negative")
    dtype = np.dtype(DTYPES[tensor.data_type])
    size = int(np.prod(shape, dtype=object)) if shape else 1
    if tensor.data_location == TensorProto.EXTERNAL:
        values = np.frombuffer(beside.read(tensor, size * dtype.itemsize), dtype)
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != size * dtype.itemsize:
            raise FormatError(f"{who} declares {size * dtype.itemsize} bytes and holds {len(tensor.raw_data)}")
        values = np.frombuffer(tensor.raw_data, dtype)
    else:
        given = getattr(tensor, FIELDS.get(tensor.data_type, "int32_data"))
        if len(given) != size:
            raise FormatError(f"{who} declares {size} numbers and holds {len(given)}")
        half = tensor.data_type == TensorProto.FLOAT16  # as the bits of 16-bit integers
        values = np.array(given).astype(np.uint16).view(dtype) if half else np.array(given).astype(dtype)
    if dtype.kind == "f" and not np.isfinite(values).all():
        raise FormatError(f"{who} holds {values[~np.isfinite(values)][0]}; every value must be finite")
    return values.reshape(shape)
