"""Reading ONNX files from strangers: no file outside the folder, no tensor larger than what is stored."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto

from ir.check import FormatError

Array = NDArray[Any]

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
    TensorProto.BOOL: np.bool_,
}
FIELDS: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.INT32: "int32_data",
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
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            if not all(isinstance(x, str) for x in ([value] if isinstance(value, (str, bytes)) else value)):
                return False
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            parts = [value] if hasattr(value, "ListFields") else value
            if not all(_is_text(part) for part in parts):
                return False
    return True


def tensors(model: onnx.ModelProto, folder: Path, starts: tuple[str, ...] = ("",)) -> dict[str, Array]:
    """All initializers by name, or those whose names start so.

    Raises:
        FormatError: an unknown type, NaN, a declared size that is not stored, external data outside ``folder``.
    """
    return {t.name: array(t, folder) for t in model.graph.initializer if t.name.startswith(starts)}


def array(tensor: onnx.TensorProto, folder: Path) -> Array:
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
        values = np.frombuffer(_external(tensor, folder, size * dtype.itemsize), dtype)
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != size * dtype.itemsize:
            raise FormatError(f"{who} declares {size * dtype.itemsize} bytes and holds {len(tensor.raw_data)}")
        values = np.frombuffer(tensor.raw_data, dtype)
    else:
        given = getattr(tensor, FIELDS.get(tensor.data_type, "int32_data"))
        if len(given) != size or tensor.data_type == TensorProto.FLOAT16:
            raise FormatError(f"{who} declares {size} numbers and holds {len(given)}")
        values = np.array(given).astype(dtype)
    if dtype.kind == "f" and not np.isfinite(values).all():
        raise FormatError(f"{who} holds {values[~np.isfinite(values)][0]}; every value must be finite")
    return values.reshape(shape)


def _external(tensor: onnx.TensorProto, folder: Path, n_bytes: int) -> bytes:
    """A slice of a file beside the model."""
    entries = {e.key: e.value for e in tensor.external_data}
    where = PurePosixPath(entries.get("location", ""))
    who = f"tensor {tensor.name!r} keeps its data in {str(where)!r}"
    target = (folder / str(where)).resolve()
    if not where.parts or where.is_absolute() or ".." in where.parts or not target.is_relative_to(folder.resolve()):
        raise FormatError(f"{who}, outside the model's folder; put it beside the model")
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", str(n_bytes)))
    except ValueError as error:
        raise FormatError(f"{who} at {entries}; offset and length must be whole numbers") from error
    if not target.is_file() or offset < 0 or length != n_bytes or target.stat().st_size < offset + length:
        raise FormatError(f"{who}, which does not hold {n_bytes} bytes at {offset}; write the model again")
    with target.open("rb") as file:
        file.seek(offset)
        return file.read(n_bytes)
