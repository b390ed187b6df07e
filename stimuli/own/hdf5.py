"""The datasets of an HDF5 file by name, read in a process of its own: no links, no plugins, nothing too large."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ir.apart import apart
from ir.check import FormatError

MAX_DEPTH, MAX_NODES = 4, 256
MAX_PACKED = 1100
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}


def read_hdf5(path: Path, max_bytes: int) -> dict[str, NDArray[Any]]:
    """Every dataset of numbers, under its last name: ``events/x`` is x.

    Raises:
        FormatError: damaged, links, other contents than numbers, or more than ``max_bytes``.
    """
    try:
        return apart(partial(_datasets, path, max_bytes), path.stat().st_size)
    except FormatError:
        raise
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise FormatError(f"{path} is damaged or no HDF5 file ({why}); write it again") from error


def forget_plugins() -> None:
    """Let HDF5 look nowhere for filters, which are libraries: in the process that reads this one file and is gone."""
    while sys.platform.startswith("linux") and h5py.h5pl.size():
        h5py.h5pl.remove(0)


def _datasets(path: Path, max_bytes: int) -> dict[str, NDArray[Any]]:
    forget_plugins()
    with h5py.File(path, "r") as file:
        found: dict[str, Any] = {}
        _walk(file, found, 0)
        room = max_bytes
        for name, data in found.items():
            room -= _checked(data, name, int(file.id.get_filesize()))
            if room < 0:
                raise FormatError(f"its datasets take more than {max_bytes} bytes; split it")
        return {name: np.asarray(data[()]) for name, data in found.items()}


def _walk(group: Any, found: dict[str, Any], depth: int) -> None:
    if depth > MAX_DEPTH or len(group) + len(found) > MAX_NODES:
        raise FormatError(f"its groups hold more than {MAX_NODES} entries or lie {MAX_DEPTH} deep; write it flat")
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise FormatError(f"{group.name}/{name} is a link to elsewhere; only what lies in the file is read")
        item = group[name]
        if isinstance(item, h5py.Group):
            _walk(item, found, depth + 1)
        elif isinstance(item, h5py.Dataset):
            short = str(name)
            if short in found:
                raise FormatError(f"it holds two datasets {short!r}; write one recording a file")
            found[short] = item


def _checked(data: Any, name: str, file_bytes: int) -> int:
    """Bytes of a dataset that is safe to read."""
    dtype = data.dtype
    plain = dtype.kind in "biuf" or (dtype.names is not None and all(dtype[n].kind in "biuf" for n in dtype.names))
    if not plain or h5py.check_dtype(vlen=dtype) is not None:
        raise FormatError(f"its dataset {name!r} has type {dtype}; only datasets of numbers are read")
    check_here(data, name)
    size = int(np.prod(data.shape, dtype=object) or 0) * int(dtype.itemsize)
    if size > MAX_PACKED * file_bytes:
        raise FormatError(f"its dataset {name!r} claims {size} bytes in a file of {file_bytes}; write it again")
    return size


def check_here(data: Any, name: str) -> None:
    """Raise where a dataset needs a plugin, or another file."""
    plist = data.id.get_create_plist()
    for i in range(plist.get_nfilters()):
        if plist.get_filter(i)[0] not in FILTERS:
            raise FormatError(f"its dataset {name!r} is packed by a plugin; write it with gzip or unpacked")
    if plist.get_external_count() or data.is_virtual:
        raise FormatError(f"its dataset {name!r} lies in another file; write it into this one")
