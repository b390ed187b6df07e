"""Ways to spoil a tree of plain values, dictionaries and lists, and arrays in it: gently: it often still opens."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

Rng = np.random.Generator
Place = tuple[Any, Any]
"""A dictionary or list, and the key of one of its entries."""

WORDS = ("", "a", "b", "in", "x" * 70_000, "\x1b[31m", "\u202e", "zero", "subtract", "layered", "asynchronous", "../a",
         "core", "network", "paced", "queued", "first", "random", "fifo", "lava", "loihi1", "<b>", "\ud800", "E0",
         "2")  # fmt: skip
NUMBERS = (0, 1, -1, 2, 3, 7, 64, 255, 4096, 1 << 15, 1 << 24, (1 << 31) - 1, 1 << 31, 1 << 40, 1 << 63, 1 << 70,
           -(1 << 31), 0.5, -0.5, 1e-9, 1e9, 1e300, float("nan"), float("inf"), -float("inf"))  # fmt: skip
ODD: tuple[Any, ...] = (None, True, False, "text", 3, [], {}, [1, [2, [3]]], {"a": {"b": 1}}, [None], ["a"], 1.5)


def places(tree: Any) -> list[Place]:
    """Every entry of every dictionary and list."""
    found: list[Place] = []
    level = [tree]
    while level:
        here = level.pop()
        items = (
            list(here.items()) if isinstance(here, dict) else list(enumerate(here)) if isinstance(here, list) else []
        )
        for key, value in items:
            found.append((here, key))
            level.append(value)
    return found


def pick(rng: Rng, choices: Any) -> Any:
    """One of several."""
    return choices[int(rng.integers(len(choices)))]


def near(value: Any, rng: Rng) -> Any:
    """Something of the same type, as a mistake would make it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return pick(rng, (pick(rng, WORDS), value + pick(rng, WORDS)[:9], value[:-1], value.upper()))
    if isinstance(value, int):
        return pick(rng, (value + 1, value - 1, 2 * value, -value, value // 2, 0, 1, pick(rng, NUMBERS)))
    if isinstance(value, float):
        return pick(rng, (2 * value, value / 3, -value, 0.0, value + 1, pick(rng, NUMBERS)))
    return value


def spoil_tree(tree: Any, rng: Rng) -> None:
    """Change one entry: mostly to something near, else to something odd, or move, repeat, rename or lose it."""
    entries = places(tree)
    if not entries:
        return
    kind = rng.random()
    if kind < 0.7:
        plain = [(here, key) for here, key in entries if isinstance(here[key], (bool, int, float, str))]
        if plain:
            here, key = pick(rng, plain)
            here[key] = near(here[key], rng)
        return
    here, key = pick(rng, entries)
    if kind < 0.77:
        here[key] = pick(rng, ODD)
    elif kind < 0.85:
        other, name = pick(rng, entries)
        if not holds(other[name], here):
            here[key] = other[name]
    elif kind < 0.91:
        del here[key]
    elif isinstance(here, list):
        here.insert(int(rng.integers(len(here) + 1)), here[key])
    else:
        here[str(pick(rng, (*WORDS, *here)))] = here[key]


def holds(tree: Any, part: Any) -> bool:
    """Whether ``part`` lies in ``tree``, or is it."""
    return tree is part or any(here[key] is part for here, key in places(tree))


def deep(depth: int) -> list[Any]:
    """Lists in each other."""
    tree: list[Any] = []
    for _ in range(depth):
        tree = [tree]
    return tree


def spoil_array(array: np.ndarray, rng: Rng) -> np.ndarray:
    """Other values in some places; else another type or shape."""
    kind = rng.random()
    if kind < 0.75 and array.size and array.dtype.kind in "biuf":
        flat = array.reshape(-1).copy()
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(flat)))
            flat[at] = _fitting(near(flat[at].item(), rng), array.dtype)
        return flat.reshape(array.shape)
    if kind < 0.82 and array.dtype.kind in "biufc":
        wanted = str(pick(rng, ("f8", "f4", "f2", "i8", "i4", "i1", "u8", "u1", "?", ">i4", ">f8", "c16", "S3")))
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return array.astype(wanted)
    if kind < 0.89 and array.size and array.ndim:
        return pick(rng, (array[..., :-1], array[:0], array.reshape(-1), array[None], array.T, np.repeat(array, 2, 0)))
    if kind < 0.95 and array.ndim:
        return np.concatenate([array, array[: int(rng.integers(1, len(array) + 1))]]) if len(array) else array
    return pick(rng, (np.array(1), np.array([]), np.zeros((0, 3)), np.full(array.shape, np.nan), np.zeros((2,) * 9)))


def _fitting(value: Any, dtype: np.dtype[Any]) -> Any:
    """A number as the type can hold it."""
    if dtype.kind == "f":
        with np.errstate(all="ignore"):
            return np.asarray(value, np.float64).astype(dtype)
    if dtype.kind == "b":
        return bool(value)
    edge = np.iinfo(dtype)
    return int(min(max(value if value == value and abs(value) < 1e300 else edge.max, edge.min), edge.max))
