"""Reading HDF5 files from strangers: no links out of the file, no plugins, no array larger than the file can hold."""

from __future__ import annotations

import sys
from collections.abc import Collection, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from exchange.hdf5.text import Texts
from ir.apart import apart
from ir.check import FormatError

MAX_TOTAL_BYTES = 8 << 30
MAX_DEPTH = 24
MAX_NODES = 100_000
MAX_RATIO = 1100
"""No filter we read packs better: deflate reaches about 1030 to 1."""

FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}

Tree = dict[str, Any]


@contextmanager
def reading(path: str | Path, kind: str) -> Generator[Tree]:
    """All of ``path``, read by HDF5 in a process of its own; whatever goes wrong is a FormatError that names the file.

    Raises:
        FormatError: also where a link leaves the file or comes back to a group above, an array claims more than is
            stored, or a filter would load a plugin.
    """
    path = Path(path)
    if not path.exists():
        raise FormatError(f"{path} does not exist; check the path")
    if path.is_dir():
        raise FormatError(f"{path} is a folder; name a file")
    try:
        yield apart(partial(_tree_of, path), path.stat().st_size)
    except FormatError as error:
        raise error if str(path) in str(error) else FormatError(f"{path}: {error}") from error
    except (OSError, KeyError, RuntimeError, TypeError, AttributeError, MemoryError, OverflowError) as error:
        why = " ".join(str(error).split())
        raise FormatError(f"{path} is truncated or no {kind} file ({why}); write it again") from error
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error


def forget_plugins() -> None:
    """Let HDF5 look nowhere for filters, which are libraries: in the process that reads this one file and is gone."""
    while sys.platform.startswith("linux") and h5py.h5pl.size():
        h5py.h5pl.remove(0)


def _tree_of(path: Path) -> Tree:
    forget_plugins()
    with h5py.File(path, "r") as file:
        return read_tree(file)


def read_tree(group: h5py.Group) -> Tree:
    """All of a group as nested dictionaries of strings and arrays.

    Raises:
        FormatError: a link that leaves the file or comes back to a group above, an array that claims
            more than is stored, a filter that would load a plugin.
    """
    budget = _Budget(group.file)
    try:
        return _read_group(group, 0, budget, [])
    finally:
        budget.texts.close()


class _Budget:
    """What one file may still take."""

    def __init__(self, file: h5py.File) -> None:
        self.bytes = MAX_TOTAL_BYTES
        self.nodes = MAX_NODES
        self.file_bytes = int(file.id.get_filesize())
        self.texts = Texts(file)

    def take(self, who: str, n_bytes: int) -> None:
        self.bytes -= n_bytes
        self.nodes -= 1
        if self.bytes < 0 or self.nodes < 0:
            raise FormatError(
                f"{who} brings the file over {MAX_TOTAL_BYTES >> 30} GiB or {MAX_NODES} entries; split it"
            )


def _read_group(group: h5py.Group, depth: int, budget: _Budget, above: list[Any]) -> Tree:
    if depth > MAX_DEPTH or any(group == other for other in above):
        raise FormatError(f"group {group.name!r} lies inside itself or {MAX_DEPTH} deep; such a graph has no meaning")
    _check_attributes(group)
    tree: Tree = {}
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise FormatError(f"{group.name}/{name} is a link to elsewhere; only what lies in the file is read")
        item = group[name]
        budget.take(str(item.name), 64)
        if isinstance(item, h5py.Group):
            tree[str(name)] = _read_group(item, depth + 1, budget, [*above, group])
        elif isinstance(item, h5py.Dataset):
            tree[str(name)] = _read_dataset(item, budget)
        else:
            raise FormatError(f"{item.name} is neither a group nor a dataset; only those are read, delete it")
    return tree


def _check_attributes(item: Any) -> None:
    """Refuse attributes: no format we read has any, and what is not known must not be dropped."""
    if len(item.attrs):
        name = next(iter(item.attrs))
        raise FormatError(f"{item.name} has the attribute {name!r}, which has no meaning here; delete it from the file")


def check_keys(tree: Tree, known: Collection[str], who: str) -> None:
    """Refuse whatever ``tree`` holds beside ``known``: what a reader does not know it must not drop."""
    unknown = sorted(set(tree) - set(known))
    if unknown:
        named = ", ".join(map(repr, unknown[:3])) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
        raise FormatError(f"{who} has {named}, unknown here; delete it from the file if it means nothing")


def _read_dataset(data: h5py.Dataset, budget: _Budget) -> Any:
    """A string, an array of strings, or an array of numbers."""
    who = f"dataset {data.name}"
    _check_attributes(data)
    _check_storage(data, who)
    kind, size = data.dtype.kind, int(np.prod(data.shape, dtype=object)) if data.shape is not None else 0
    if kind not in "OSbiuf":
        raise FormatError(f"{who} has type {data.dtype}; only numbers and text are read")
    if kind == "O" and h5py.check_string_dtype(data.dtype) is None:
        raise FormatError(f"{who} holds references or objects; only numbers and text are read")
    itemsize = 16 if kind == "O" else data.dtype.itemsize
    stored = int(data.id.get_storage_size())
    if size * itemsize > max(64, MAX_RATIO * min(stored, budget.file_bytes)):
        raise FormatError(f"{who} declares {size * itemsize} bytes, the file stores {stored}; it is damaged or forged")
    budget.take(who, size * itemsize)
    if kind == "O":
        texts = budget.texts.read(data)
        return texts if texts.shape else str(texts[()])
    return _plain(data[()])


def _check_storage(data: h5py.Dataset, who: str) -> None:
    plist = data.id.get_create_plist()
    if plist.get_layout() == h5py.h5d.VIRTUAL or plist.get_external_count():
        raise FormatError(f"{who} points to another file; only what lies in the file is read")
    for i in range(plist.get_nfilters()):
        if plist.get_filter(i)[0] not in FILTERS:
            raise FormatError(f"{who} needs the HDF5 plugin {plist.get_filter(i)[0]}; write it with gzip")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.dtype.kind == "S":
        flat = [x.decode("utf-8", "replace") for x in value.reshape(-1)]
        return np.array(flat, dtype=object).reshape(value.shape)
    return np.asarray(value)


def numbers(tree: Tree, key: str, who: str, kinds: str = "biuf", infinite: bool = False) -> NDArray[Any]:
    """The array ``key`` of ``tree``, finite (or, where ``infinite``, not NaN and not -inf); who says whose it is."""
    value = tree.get(key)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        raise FormatError(f"{who} needs numbers named {key!r}; it has {', '.join(sorted(tree)) or 'nothing'}")
    if value.dtype.kind == "f" and value.dtype.itemsize > 8:
        raise FormatError(f"{key} of {who} has type {value.dtype}; write it as float64")
    good = np.isfinite(value) | (infinite & (value > 0)) if value.dtype.kind == "f" else np.True_
    if not np.all(good):
        address = tuple(int(i) for i in np.argwhere(~good)[0])
        raise FormatError(f"{key} of {who} holds {value[address]} at {address}; every value must be finite")
    return value
