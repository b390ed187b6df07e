"""Any torch Dataset or DataLoader, by what it can do: length, items, iteration. torch itself is not imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.check import FormatError
from stimuli.own.files import Raw
from stimuli.own.folder import MAX_CLASSES
from stimuli.own.recording import columns_of, fields_of

OWN = "own"
"""What ``data`` of a configuration says of data that were given in Python."""


@dataclass(frozen=True, eq=False)
class Items:
    """Something with a length and items, each a pair of sample and label.

    Attributes:
        items: e.g. a torch Dataset, or a list of pairs.
    """

    items: Any
    n_classes: int | None = None
    sensor: tuple[int, ...] = ()
    name: str = OWN

    def __len__(self) -> int:
        return len(self.items)

    def said(self, i: int) -> str:
        """What sentences call a sample."""
        return f"sample {i}"

    def read(self, i: int) -> tuple[Raw, int]:
        """A sample and its label."""
        try:
            item = self.items[i]
        except IndexError as error:
            raise FormatError(f"the data say that they have {len(self)} samples, and have no sample {i}") from error
        x, y = _pair(item, self.said(i))
        return raw_of(x, self.said(i)), label_of(y, self.said(i))


def source_of(data: Any, memory_bytes: int) -> Items:
    """Samples of a Dataset (length and items) or of a DataLoader (iteration, batches first).

    A loader is read once, in its own order; a Dataset item by item, when it is needed.

    Raises:
        FormatError: neither, or a loader's batches are more than ``memory_bytes``.
    """
    sensor, names = getattr(data, "sensor_size", None), getattr(data, "classes", None)
    plain = (
        isinstance(sensor, (tuple, list)) and len(sensor) == 3 and all(isinstance(x, (int, np.integer)) for x in sensor)
    )
    n_classes = len(names) if isinstance(names, (tuple, list)) and names else None
    known = (n_classes, tuple(int(x) for x in sensor) if plain and sensor is not None else ())
    if (
        hasattr(data, "__getitem__")
        and hasattr(data, "__len__")
        and not isinstance(data, (str, bytes, dict, np.ndarray))
    ):
        return Items(data, *known)
    if not hasattr(data, "__iter__") or isinstance(data, (str, bytes, dict, np.ndarray)) or hasattr(data, "numpy"):
        raise FormatError(
            f"a {type(data).__name__} is no data; give folder:PATH, a Dataset or list of (frames or events, label), "
            "or a DataLoader"
        )
    return Items(_all_of(data, memory_bytes), *known)


def _all_of(loader: Any, memory_bytes: int) -> list[tuple[Raw, int]]:
    """Every sample of a loader, batches taken apart."""
    found: list[tuple[Raw, int]] = []
    left = memory_bytes
    for number, batch in enumerate(loader):
        who = f"batch {number}"
        x, y = _pair(batch, who)
        labels = as_array(y, who)
        if labels.ndim == 0:
            samples = [(raw_of(x, who), label_of(labels, who))]
        elif labels.ndim == 1:
            samples = _apart(x, labels, who)
        else:
            raise FormatError(f"{who} has labels of shape {labels.shape}; give one class a sample")
        left -= sum(sum(v.nbytes for v in raw.values()) if isinstance(raw, dict) else raw.nbytes for raw, _ in samples)
        if left < 0:
            raise FormatError(
                f"a DataLoader is read once, in its own order, and its first {_batches(number + 1)} take more "
                f"than {memory_bytes >> 20} MB (memory_mb); give its Dataset, which is read sample by sample"
            )
        found += samples
    return found


def _batches(n: int) -> str:
    """Batches in words."""
    return "batch" if n == 1 else f"{n} batches"


def _apart(x: Any, labels: NDArray[Any], who: str) -> list[tuple[Raw, int]]:
    """The samples of a batch: a list of them, or an array with the batch first."""
    rows: Any = x if isinstance(x, (list, tuple)) else raw_of(x, who)
    if isinstance(rows, dict):
        raise FormatError(f"{who} holds events of one recording and {len(labels)} labels; give a list of recordings")
    if len(rows) != len(labels):
        shape = rows.shape if isinstance(rows, np.ndarray) else (len(rows),)
        raise FormatError(f"{who} has {len(labels)} labels and samples of shape {shape}; the batch comes first")
    return [(raw_of(row, who), label_of(label, who)) for row, label in zip(rows, labels)]


def _pair(item: Any, who: str) -> tuple[Any, Any]:
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        n = f" of {len(item)}" if isinstance(item, (tuple, list)) else ""
        raise FormatError(f"{who} is a {type(item).__name__}{n}; give a pair (frames or events, label)")
    return item[0], item[1]


def as_array(value: Any, who: str) -> NDArray[Any]:
    """An array of a tensor (by ``detach``, ``cpu``, ``to_dense``, ``numpy``) or of anything numpy takes.

    Raises:
        FormatError: numpy makes no numbers of it.
    """
    try:
        for step in ("detach", "cpu"):
            value = getattr(value, step)() if hasattr(value, step) else value
        if getattr(value, "is_sparse", False):
            value = value.to_dense()
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except (ValueError, TypeError) as error:
        raise FormatError(f"{who} holds a {type(value).__name__} that numpy cannot take ({error})") from error
    if array.dtype.hasobject:
        raise FormatError(f"{who} holds a {type(value).__name__} that is no array of numbers; give one")
    return array


def raw_of(value: Any, who: str) -> Raw:
    """Frames, or the columns of events: a structured array, or a dict of columns.

    Raises:
        FormatError: neither.
    """
    if isinstance(value, dict):
        columns = columns_of({str(name): as_array(column, who) for name, column in value.items()})
    else:
        array = as_array(value, who)
        if array.dtype.names is None:
            return array
        columns = columns_of(fields_of(array))
    if columns is None:
        raise FormatError(f"{who} has neither frames nor events; events have t, x, y, p")
    return columns


def label_of(value: Any, who: str) -> int:
    """A class as a whole number from 0.

    Raises:
        FormatError: a word, a vector, a fraction, or a number beyond classes.
    """
    array = as_array(value, who)
    if array.size != 1 or array.dtype.kind not in "iu":
        raise FormatError(f"{who} has the label {_shown(value)}; give the class as one whole number from 0")
    label = int(array.reshape(-1)[0])
    if not 0 <= label < MAX_CLASSES:
        raise FormatError(f"{who} is labelled {label}; classes are whole numbers from 0 to {MAX_CLASSES - 1}")
    return label


def _shown(value: Any) -> str:
    """A label as a sentence shows it."""
    return repr(value) if isinstance(value, (str, float, bool)) else f"a {type(value).__name__}"
