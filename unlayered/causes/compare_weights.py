"""Static comparison: weights, synapses and delays, population by population."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ir.arrays import Bits
from ir.connection import Connection, Conv2d, Dense, Sparse, synapses, with_weight
from unlayered.causes.setup import Setting, Setup, keyed, same, with_projections

Key = tuple[str, str, int]
"""A projection: source, target, which of those between the two."""

FEW = 3
"""So many single weights are named one by one."""


@dataclass(frozen=True)
class Grid:
    """The numbers that a projection's weights were rounded to: multiples of a step, as far as an edge each way."""

    step: float
    low: float
    high: float


def aligned(a: Setup, b: Setup) -> tuple[Setup, Setup]:
    """The same two, with weights that can be compared place by place: connections of unlike form as lists of
    synapses."""
    ours, theirs = keyed(a.network.projections), keyed(b.network.projections)
    for key in ours.keys() & theirs.keys():
        one, other = ours[key].connection, theirs[key].connection
        if not _alike(one, other):
            pair = _as_lists(one, other)
            ours[key], theirs[key] = (replace(e[key], connection=c) for e, c in zip((ours, theirs), pair))
    return with_projections(a, list(ours.values())), with_projections(b, list(theirs.values()))


def _alike(one: Connection, other: Connection) -> bool:
    if type(one) is not type(other) or one.weight.shape != other.weight.shape:
        return False
    if isinstance(one, Conv2d):
        names = ("in_shape", "stride", "padding", "dilation", "groups")
        return all(getattr(one, n) == getattr(other, n) for n in names)
    if isinstance(one, Sparse) and isinstance(other, Sparse):
        return bool(np.array_equal(one.indptr, other.indptr) and np.array_equal(one.indices, other.indices))
    return True


def _as_lists(one: Connection, other: Connection) -> tuple[Connection, Connection]:
    """Two connections of the same ends on the synapses that either has; parallel ones add."""
    found = [synapses(c) for c in (one, other)]
    codes = [post * np.int64(one.n_pre) + pre for pre, post, _ in found]
    places = np.unique(np.concatenate(codes))
    post, pre = np.divmod(places, one.n_pre)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(post, minlength=one.n_post))])
    made: list[Connection] = []
    for code, (_, _, weight) in zip(codes, found):
        values = np.zeros(len(places), np.int64 if weight.dtype.kind in "iu" else np.float64)
        np.add.at(values, np.searchsorted(places, code), weight)
        made.append(Sparse(indptr, pre.astype(np.int32), values, one.n_pre))
    return made[0], made[1]


def weight_settings(a: Setup, b: Setup, grids: dict[Key, Grid] | None = None) -> Iterator[Setting]:
    """Weights, synapses, clipped weights and delays that differ; both set-ups are aligned.

    Args:
        grids: what b's weights were rounded to, where a's are the floats before; None = both were rounded already.
    """
    ours, theirs = keyed(a.network.projections), keyed(b.network.projections)
    for p in a.network.populations:
        into = [key for key in {**ours, **theirs} if key[1] == p.name]
        both = [key for key in into if key in ours and key in theirs]
        masks = {key: sorted_out(ours[key], theirs[key], None if grids is None else grids[key]) for key in both}
        for kind in ("weights", "synapses", "saturation"):
            chosen = {key: mask[kind] for key, mask in masks.items() if mask[kind].any()}
            alone = [key for key in into if key not in both] if kind == "synapses" else []
            if chosen or alone:
                what = "; ".join([*_told(chosen, ours, theirs), *_told_whole(alone, ours)])
                yield Setting(kind, p.name, what, partial(_switch, chosen, tuple(alone)))
        late = [key for key in both if not same(ours[key].delay_steps, theirs[key].delay_steps)]
        if late:
            what = "; ".join(_told_delay(key, ours[key].delay_steps, theirs[key].delay_steps) for key in late)
            yield Setting("delay", p.name, what, partial(_switch_delay, tuple(late)))


def sorted_out(one: Any, other: Any, grid: Grid | None) -> dict[str, Bits]:
    """For each kind, where weights differ for that reason."""
    x, y = np.asarray(one.connection.weight), np.asarray(other.connection.weight)
    if getattr(one, "weight_exp", 0) != getattr(other, "weight_exp", 0):
        return {"weights": np.ones(x.shape, bool), "synapses": np.zeros(x.shape, bool), "saturation": x != x}
    differs = x != y
    if grid is None:
        gone = differs & ((x == 0) != (y == 0))
        return {"weights": differs & ~gone, "synapses": gone, "saturation": np.zeros(x.shape, bool)}
    rounded = np.abs(x - y) <= 0.51 * grid.step
    clipped = differs & ~rounded & (((y >= grid.high) & (x > y)) | ((y <= grid.low) & (x < y)))
    gone = differs & ~rounded & ~clipped & (y == 0)
    return {"weights": differs & ~clipped & ~gone, "synapses": gone, "saturation": clipped}


def _switch(masks: dict[Key, Bits], alone: tuple[Key, ...], into: Setup, out_of: Setup) -> Setup:
    ours, theirs = keyed(into.network.projections), keyed(out_of.network.projections)
    for key, mask in masks.items():
        mine, given = ours[key], theirs[key]
        weight = np.where(mask, given.connection.weight, mine.connection.weight)
        changes: dict[str, Any] = {"connection": with_weight(mine.connection, weight)}
        if hasattr(mine, "weight_exp") and mask.all():
            changes["weight_exp"] = given.weight_exp
        ours[key] = replace(mine, **changes)
    for key in alone:
        if key in theirs:
            ours[key] = theirs[key]
        else:
            ours.pop(key, None)
    return with_projections(into, list(ours.values()))


def _switch_delay(keys: tuple[Key, ...], into: Setup, out_of: Setup) -> Setup:
    ours, theirs = keyed(into.network.projections), keyed(out_of.network.projections)
    for key in keys:
        ours[key] = replace(ours[key], delay_steps=theirs[key].delay_steps)
    return with_projections(into, list(ours.values()))


def _told(masks: dict[Key, Bits], ours: dict[Key, Any], theirs: dict[Key, Any]) -> Iterator[str]:
    for key, mask in masks.items():
        x, y = ours[key].connection.weight, theirs[key].connection.weight
        n = int(mask.sum())
        if n <= FEW and x.dtype.kind in "iu":
            places = zip(*(axis.tolist() for axis in np.nonzero(mask)))
            said = [place_words(ours[key], p, x[p], y[p]) for p in places]
            yield ", ".join(said)
        else:
            most = float(np.abs(np.asarray(y, np.float64) - x)[mask].max())
            yield f"{n:,} of {x.size:,} weights {key[0]} -> {key[1]}, by at most {most:.4g}"


def place_words(e: Any, place: Sequence[int], x: Any, y: Any) -> str:
    """One weight by its ends: from which source to which target, before and after."""
    if isinstance(e.connection, Dense):
        where = f"{e.pre}[{place[1]}] -> {e.post}[{place[0]}]"
    elif isinstance(e.connection, Sparse):
        post = int(np.searchsorted(e.connection.indptr, place[0], side="right")) - 1
        where = f"{e.pre}[{e.connection.indices[place[0]]}] -> {e.post}[{post}]"
    else:
        where = f"kernel {e.pre} -> {e.post} {list(place)}"
    return f"{where}: {x} -> {y}"


def _told_whole(keys: Sequence[Key], ours: dict[Key, Any]) -> Iterator[str]:
    for key in keys:
        yield f"projection {key[0]} -> {key[1]} is {'missing' if key in ours else 'new'} in b"


def _told_delay(key: Key, x: Any, y: Any) -> str:
    low, high = int(np.min(np.subtract(y, x))), int(np.max(np.subtract(y, x)))
    by = f"{low:+d}" if low == high else f"{low:+d} to {high:+d}"
    return f"{key[0]} -> {key[1]} by {by} time steps"
