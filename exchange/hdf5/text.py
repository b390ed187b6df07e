"""Text of variable length in HDF5, read from the file's own bytes: the C library loops for ever on damaged heaps.

Layout: HDF5 File Format Specification 3.0, III.E (global heap) and IV.A.2.d (variable-length types).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

from ir.check import FormatError

DESCRIPTOR = struct.Struct("<IQI")
"""Length of the text, address of its heap, index in it."""

OBJECT = struct.Struct("<HHIQ")
"""Index, reference count, reserved, size."""

MAX_HEAP_BYTES = 64 << 20


class Texts:
    """The texts of one open file."""

    def __init__(self, file: h5py.File) -> None:
        self._raw: BinaryIO = Path(str(file.filename)).open("rb")
        self._size = self._raw.seek(0, 2)
        self._plain = tuple(file.id.get_create_plist().get_sizes()) == (8, 8) and file.userblock_size == 0
        self._heaps: dict[int, dict[int, bytes]] = {}

    def close(self) -> None:
        """Let go of the file."""
        self._raw.close()

    def read(self, data: h5py.Dataset) -> np.ndarray:
        """All texts of a dataset, in its shape, as an object array."""
        if not data.size:
            return np.empty(data.shape, dtype=object)
        offset = data.id.get_offset()
        if offset is None or not self._plain:
            raise FormatError(f"dataset {data.name} keeps text in chunks; write it without compression")
        content = self._bytes(int(offset), DESCRIPTOR.size * int(np.prod(data.shape)))
        values = [self._one(*DESCRIPTOR.unpack_from(content, at)) for at in range(0, len(content), DESCRIPTOR.size)]
        out = np.empty(len(values), dtype=object)
        out[:] = values
        return out.reshape(data.shape)

    def _one(self, length: int, address: int, index: int) -> str:
        if length == 0:
            return ""
        if address not in self._heaps:
            self._heaps[address] = self._heap(address)
        content = self._heaps[address].get(index)
        if content is None or len(content) < length:
            raise FormatError("a text points to nowhere; the file is damaged")
        return content[:length].rstrip(b"\0").decode("utf-8", "replace")

    def _heap(self, address: int) -> dict[int, bytes]:
        """One heap's texts by index."""
        head = self._bytes(address, 16)
        size = int.from_bytes(head[8:], "little")
        if head[:5] != b"GCOL\x01" or not 16 <= size <= MAX_HEAP_BYTES:
            raise FormatError("the heap of its texts is damaged; write the file again")
        heap = self._bytes(address, size)
        found: dict[int, bytes] = {}
        at = 16
        while at + OBJECT.size <= size:
            index, _, _, length = OBJECT.unpack_from(heap, at)
            if index == 0:
                break
            found[index] = heap[at + OBJECT.size : at + OBJECT.size + length]
            at += OBJECT.size + (length + 7) // 8 * 8
        return found

    def _bytes(self, offset: int, count: int) -> bytes:
        if offset + count > self._size:
            raise FormatError("a text lies beyond the end of the file; it is truncated")
        self._raw.seek(offset)
        return self._raw.read(count)
