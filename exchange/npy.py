"""One array in numpy's ``.npy`` form, from strangers: plain numbers, no larger than the bytes that are there."""

from __future__ import annotations

import io
import mmap
import re
import tokenize
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from exchange.plain import check_readable
from ir.check import MAX_SIDES, FormatError

MAX_HEADER_BYTES = 4096
HEADERS = {(1, 0): (2, np.lib.format.read_array_header_1_0), (2, 0): (4, np.lib.format.read_array_header_2_0)}
"""For each version, how many bytes say how long the header is, and numpy's own parser of it."""

PLAIN = frozenset(b" \n,:'{}()<>=|_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
"""What the header of plain numbers is written with: nothing else, so nothing can be nested in it."""


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type of the array that follows.

    Raises:
        FormatError: no ``.npy`` header, or one of anything but numbers.
    """
    try:
        version = np.lib.format.read_magic(file)
    except ValueError as error:
        raise FormatError("it does not begin as an .npy file") from error
    if version not in HEADERS:
        raise FormatError(f"it has the unknown .npy version {version[0]}.{version[1]}")
    width, parse = HEADERS[version]
    length = file.read(width)
    content = file.read(min(int.from_bytes(length, "little"), MAX_HEADER_BYTES + 1))
    if len(content) > MAX_HEADER_BYTES or not PLAIN.issuperset(content) or content.count(b"(") > 1:
        raise FormatError("its .npy header is not that of plain numbers")
    if len(content) < int.from_bytes(length, "little"):
        raise FormatError("its .npy header is cut off")
    content = re.sub(rb"(\d)L\b", rb"\1", content)  # as Python 2 wrote whole numbers
    try:
        shape, columns_first, dtype = parse(io.BytesIO(len(content).to_bytes(width, "little") + content))
    except (ValueError, SyntaxError, TypeError, KeyError, OverflowError, tokenize.TokenError) as error:
        raise FormatError("its .npy header is damaged") from error
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise FormatError(f"it has dtype {dtype}; only plain numbers of up to 64 bits are read")
    return tuple(int(side) for side in shape), bool(columns_first), dtype


def size_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Bytes of an array, without overflow."""
    size = dtype.itemsize
    for side in shape:
        size *= side
    return size


def load_npy(path: str | Path, max_bytes: int) -> NDArray[Any] | None:
    """The array of an ``.npy`` file, not yet read from disk; None where there is no such file.

    Raises:
        FormatError: it is no array of numbers, too large, or shorter than it says; names the file.
    """
    path = Path(path)
    if not path.exists() and not path.is_symlink():
        return None
    check_readable(path)
    try:
        with path.open("rb") as file:
            shape, columns_first, dtype = read_header(file)
            size, begin, there = size_of(shape, dtype), file.tell(), path.stat().st_size
            if size > max_bytes:
                raise FormatError(f"it holds {size} bytes, at most {max_bytes}; split it")
            if len(shape) > MAX_SIDES or begin + size > there:
                raise FormatError(f"it declares shape {shape} of {dtype} and holds {there - begin} bytes")
            if size == 0:
                return np.zeros(shape, dtype)
            held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        flat = np.frombuffer(held, dtype, size // dtype.itemsize, begin)
        return flat.reshape(shape[::-1]).T if columns_first else flat.reshape(shape)
    except FormatError as error:
        raise FormatError(
            f"{path} is truncated or no .npy file of plain numbers ({error}); write it with numpy.save"
        ) from error
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise FormatError(f"{path} is no .npy file of plain numbers ({error}); write it with numpy.save") from error
