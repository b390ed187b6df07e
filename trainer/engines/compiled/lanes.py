"""Many values at once: parts of arrays, and comparing 64 values to one bit each, of which few are set and looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir as llvm
from numba import extending, types
from numba.np.arrayobj import make_array, populate_array

from trainer.engines.compiled.jit import exact

intrinsic: Any = extending.intrinsic  # whose functions are called without the first of their arguments

LANES = 64
FEW = 8
NOTHING, ONE = np.uint64(0), np.uint64(1)
EVERYTHING = np.uint64(0xFFFFFFFFFFFFFFFF)

LINE = 16
"""Values that are brought near at once: 64 bytes of float32."""


def padded(n: int) -> int:
    """The length of an array of ``n`` values that are compared: the last 64 may begin at any of them."""
    return n + LANES


def place_of(context: Any, builder: Any, kind: Any, array: Any, at: Any, lanes: int) -> Any:
    """Where some values of an array from ``at`` on lie."""
    vector = llvm.VectorType(context.get_data_type(kind.dtype), lanes)
    return builder.bitcast(builder.gep(make_array(kind)(context, builder, array).data, [at]), vector.as_pointer())


def load_lanes(context: Any, builder: Any, kind: Any, array: Any, at: Any, lanes: int = LANES) -> Any:
    """The values of an array from ``at`` on, 64 of them."""
    place = place_of(context, builder, kind, array, at, lanes)
    return builder.load(place, align=context.get_abi_sizeof(context.get_data_type(kind.dtype)))


def store_lanes(context: Any, builder: Any, kind: Any, array: Any, at: Any, lanes: Any) -> None:
    """Write values to an array from ``at`` on."""
    place = place_of(context, builder, kind, array, at, lanes.type.count)
    builder.store(lanes, place, align=context.get_abi_sizeof(context.get_data_type(kind.dtype)))


def in_all(builder: Any, value: Any, lanes: int) -> Any:
    """A value in all lanes."""
    one = builder.insert_element(
        llvm.Constant(llvm.VectorType(value.type, lanes), llvm.Undefined), value, llvm.IntType(32)(0)
    )
    return builder.shuffle_vector(one, one, llvm.Constant(llvm.VectorType(llvm.IntType(32), lanes), None))


@intrinsic
def span(_: Any, array: Any, first: Any, stop: Any) -> Any:
    """``array[first:stop]`` of one that has these elements: kernels ask for no others, and nothing is looked up."""
    result = types.Array(array.dtype, 1, "C")

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        row, (whole, begin, end) = make_array(result)(context, builder), given
        size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array.dtype)))
        data = builder.gep(make_array(signature.args[0])(context, builder, whole).data, [begin])
        populate_array(row, data, [builder.sub(end, begin)], [size], size, meminfo=None)
        return row._getvalue()

    return result(array, types.intp, types.intp), build


@intrinsic
def fetch(_: Any, array: Any, at: Any) -> Any:
    """Have ``array[at]`` brought near, into a core's own cache: it will be read soon. Nothing else happens, whatever
    ``at`` is."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = builder.gep(make_array(signature.args[0])(context, builder, given[0]).data, [given[1]])
        byte, number = llvm.IntType(8).as_pointer(), llvm.IntType(32)
        kind = llvm.FunctionType(llvm.VoidType(), [byte, number, number, number])
        call = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        builder.call(call, [builder.bitcast(place, byte), number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.none(array, types.intp), build


@intrinsic
def nonzero(_: Any, array: Any, at: Any) -> Any:
    """The bits of ``array[at : at + 64] != 0``, of whole numbers."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        lanes = load_lanes(context, builder, signature.args[0], *given)
        return builder.bitcast(builder.icmp_unsigned("!=", lanes, llvm.Constant(lanes.type, None)), llvm.IntType(64))

    return types.uint64(array, types.intp), build


@intrinsic
def above(_: Any, array: Any, limits: Any, at: Any) -> Any:
    """The bits of ``array[at : at + 64] > limits[at : at + 64]``, of floats."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        lanes, limit = (load_lanes(context, builder, signature.args[i], given[i], given[2]) for i in (0, 1))
        return builder.bitcast(builder.fcmp_ordered(">", lanes, limit), llvm.IntType(64))

    return types.uint64(array, limits, types.intp), build


@intrinsic
def above_few(_: Any, array: Any, limits: Any, at: Any) -> Any:
    """The bits of ``array[at : at + 8] > limits[at : at + 8]``, of floats."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        lanes, limit = (load_lanes(context, builder, signature.args[i], given[i], given[2], FEW) for i in (0, 1))
        bits = builder.bitcast(builder.fcmp_ordered(">", lanes, limit), llvm.IntType(FEW))
        return builder.zext(bits, llvm.IntType(64))

    return types.uint64(array, limits, types.intp), build


@intrinsic
def at_most(_: Any, keys: Any, limit: Any, at: Any) -> Any:
    """The bits of ``keys[at : at + 64] <= limit``, of keys."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        lanes = load_lanes(context, builder, signature.args[0], given[0], given[2])
        all_lanes = in_all(builder, given[1], LANES)
        return builder.bitcast(builder.icmp_unsigned("<=", lanes, all_lanes), llvm.IntType(64))

    return types.uint64(keys, types.uint64, types.intp), build


@intrinsic
def add_few(_: Any, target: Any, to: Any, source: Any, at: Any, value: Any) -> Any:
    """``target[to : to + 8] += value * source[at : at + 8]``."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        whole, first, other, begin, factor = given
        kind = signature.args[0]
        sums = load_lanes(context, builder, kind, whole, first, FEW)
        more = builder.fmul(
            in_all(builder, factor, FEW), load_lanes(context, builder, signature.args[2], other, begin, FEW)
        )
        store_lanes(context, builder, kind, whole, first, builder.fadd(sums, more))
        return context.get_dummy_value()

    return types.none(target, types.intp, source, types.intp, target.dtype), build


@intrinsic
def dot_few(_: Any, a: Any, at: Any, b: Any, to: Any) -> Any:
    """The sum of ``a[at : at + 8] * b[to : to + 8]``, in any order."""

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        first, second = (load_lanes(context, builder, signature.args[i], given[i], given[i + 1], FEW) for i in (0, 2))
        product = builder.fmul(first, second)
        while product.type.count > 1:
            half = product.type.count // 2
            lanes = [
                llvm.Constant(llvm.VectorType(llvm.IntType(32), half), list(range(i, i + half))) for i in (0, half)
            ]
            product = builder.fadd(*(builder.shuffle_vector(product, product, mask) for mask in lanes))
        return builder.extract_element(product, llvm.IntType(32)(0))

    return a.dtype(a, types.intp, b, types.intp), build


@intrinsic
def lowest(_: Any, mask: Any) -> Any:
    """The number of the lowest bit that is set; some is."""

    def build(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return builder.cttz(given[0], llvm.IntType(1)(1))

    return types.int64(types.uint64), build


@exact
def fetch_span(array, first, stop):
    """Have ``array[first:stop]`` brought near, a line at a time."""
    for at in range(first, stop, LINE):
        fetch(array, at)


@exact
def bit(n):
    """The bit of a number."""
    return ONE << np.uint64(n)


@exact
def first_bits(n):
    """The lowest ``n`` bits, at most 64."""
    return EVERYTHING if n >= LANES else (ONE << np.uint64(n)) - ONE


@exact
def list_set(mask, first, listed, n):
    """Append ``first`` plus the number of each bit that is set to ``listed``, of which ``n`` are there."""
    while mask != NOTHING:
        listed[np.uint64(n)] = first + lowest(mask)
        mask &= mask - ONE
        n += 1
    return n
