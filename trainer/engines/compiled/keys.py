"""The keys of ``ir.schedule`` for compiled code: unsigned 64 bit, a prefix shared by all neurons of a round."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir as llvm
from numba import types
from numba.core import cgutils

from ir.schedule import GOLDEN, MIX_A, MIX_B
from trainer.engines.compiled.jit import apart, exact
from trainer.engines.compiled.lanes import in_all, intrinsic, load_lanes

S11, S27, S30, S31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
UNIT = 2.0**-53


@exact
def mix(x):
    """One step of splitmix64; see ``ir.schedule.mix``."""
    x = x + GOLDEN
    x = (x ^ (x >> S30)) * MIX_A
    x = (x ^ (x >> S27)) * MIX_B
    return x ^ (x >> S31)


@exact
def extend(h, part):
    """Add one part of an address to a key's prefix; negative parts in two's complement."""
    return mix(h + np.uint64(part))


@exact
def draw(h, neuron):
    """A uniform number in [0, 1) for one neuron under prefix ``h``."""
    return np.float64(extend(h, neuron) >> S11) * UNIT


@apart
def fill_keys_of(h, neurons, n, keys):
    """The keys of the first ``n`` of some neurons under prefix ``h``."""
    for i in range(n):
        keys[i] = mix(h + np.uint64(neurons[i]))


AT_ONCE = 16
"""Keys of a queue that are drawn at once; what stands behind its end is read, too, and counts for nothing."""

WORD, INDEX = llvm.IntType(64), llvm.IntType(32)
KEYS = llvm.VectorType(WORD, AT_ONCE)


def _drawn(context: Any, builder: Any, h: Any, kind: Any, neurons: Any, at: Any, n: Any) -> tuple[Any, Any]:
    """The keys of neurons ``at`` to ``at + 16`` of a list, the highest key behind its end ``n``; and their places."""

    def alike(x: int) -> Any:
        return llvm.Constant(KEYS, [x] * AT_ONCE)

    def mixed(x: Any, shift: Any, factor: Any) -> Any:
        return builder.mul(builder.xor(x, builder.lshr(x, alike(int(shift)))), alike(int(factor)))

    names = builder.sext(load_lanes(context, builder, kind, neurons, at, AT_ONCE), KEYS)
    x = builder.add(builder.add(in_all(builder, h, AT_ONCE), names), alike(int(GOLDEN)))
    x = mixed(mixed(x, S30, MIX_A), S27, MIX_B)
    x = builder.xor(x, builder.lshr(x, alike(int(S31))))
    places = builder.add(in_all(builder, at, AT_ONCE), llvm.Constant(KEYS, list(range(AT_ONCE))))
    inside = builder.icmp_signed("<", places, in_all(builder, n, AT_ONCE))
    return builder.select(inside, x, alike((1 << 64) - 1)), places


@intrinsic
def place_of_smallest(_: Any, h: Any, neurons: Any, n: Any) -> Any:
    """Where, among the first ``n`` of some neurons, that with the smallest key under prefix ``h`` stands."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        prefix, listed, number = given
        best = cgutils.alloca_once_value(builder, llvm.Constant(KEYS, [(1 << 64) - 1] * AT_ONCE))
        where = cgutils.alloca_once_value(builder, llvm.Constant(KEYS, [0] * AT_ONCE))
        step = llvm.Constant(WORD, AT_ONCE)
        with cgutils.for_range_slice(builder, llvm.Constant(WORD, 0), number, step, WORD) as (at, _):
            drawn, places = _drawn(context, builder, prefix, signature.args[1], listed, at, number)
            least = builder.load(best)
            less = builder.icmp_unsigned("<", drawn, least)
            builder.store(builder.select(less, drawn, least), best)
            builder.store(builder.select(less, places, builder.load(where)), where)
        least, places = builder.load(best), builder.load(where)
        while least.type.count > 1:
            half = least.type.count // 2
            masks = [llvm.Constant(llvm.VectorType(INDEX, half), list(range(i, i + half))) for i in (0, half)]
            (a, b), (i, j) = ([builder.shuffle_vector(x, x, mask) for mask in masks] for x in (least, places))
            less = builder.icmp_unsigned("<", b, a)
            least, places = builder.select(less, b, a), builder.select(less, j, i)
        return builder.extract_element(places, INDEX(0))

    return types.int64(types.uint64, neurons, types.int64), build
