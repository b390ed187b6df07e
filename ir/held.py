"""A named tuple of arrays and numbers in memory, which compiled code reads through one pointer.

numba hands a tuple over by value, field by field: seven words an array, a hundred arrays for a network and its state,
in and out of every function, which is most of what its compiler then works on. A ``Held`` is one pointer. Its fields
are read where they are used and never change, and compilers are told so: reading one in a loop costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir as llvm
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)
from numba.np.arrayobj import make_array, populate_array
from numba.np.numpy_support import from_dtype

NUMBERS = {bool: types.boolean, int: types.int64, float: types.float64, np.uint64: types.uint64}
"""Kinds of single numbers that a field may hold."""


class Held:
    """A named tuple for kernels; an argument of their entries, read like the tuple itself.

    Fields are arrays in C order, numbers, or other ``Held``. What the tuple refers to lives as long as this does.

    Attributes:
        fields: the tuple; ``address``: where its words lie.
    """

    def __init__(self, fields: tuple[Any, ...]) -> None:
        self.fields = fields
        self.words = np.array([word for x in fields for word in _words(x)], np.uint64)
        self.address = int(self.words.ctypes.data)
        names: Sequence[str] = type(fields)._fields  # type: ignore[attr-defined]
        self.type = _type_of(type(fields).__qualname__, tuple(names), tuple(_kind(x) for x in fields))


def _words(x: Any) -> list[int]:
    """A field as words: an array as its address and lengths."""
    if isinstance(x, np.ndarray):
        if not x.flags.c_contiguous or x.dtype.hasobject:
            raise TypeError("compiled code reads arrays of numbers in C order only")
        return [x.ctypes.data, *x.shape]
    if isinstance(x, Held):
        return [x.address]
    return [int(np.asarray(x, np.float64).view(np.uint64))] if isinstance(x, float) else [int(x) % (1 << 64)]


def _kind(x: Any) -> Any:
    """What a field is, to be looked up: element type and axes of an array, a number's class, a held tuple's type."""
    if isinstance(x, np.ndarray):
        return x.dtype, x.ndim
    return x.type if isinstance(x, Held) else type(x)


class Field(NamedTuple):
    """The type of a field and its first word."""

    type: Any
    at: int


class HeldType(types.Type):
    """Numba's type of a ``Held``: equal where names and types of the fields are."""

    def __init__(self, name: str, names: tuple[str, ...], fields: tuple[Any, ...]) -> None:
        self.fields: dict[str, Field] = {}
        at = 0
        for key, field in zip(names, fields):
            self.fields[key] = Field(field, at)
            at += 1 + (field.ndim if isinstance(field, types.Array) else 0)
        inside = ", ".join(f"{key}: {field}" for key, field in zip(names, fields))
        super().__init__(f"Held {name}({inside})")


@cache
def _type_of(name: str, names: tuple[str, ...], kinds: tuple[Any, ...]) -> HeldType:
    fields = [
        kind if isinstance(kind, HeldType) else types.Array(from_dtype(kind[0]), kind[1], "C")
        if isinstance(kind, tuple) else NUMBERS[kind]
        for kind in kinds
    ]  # fmt: skip
    return HeldType(name, names, tuple(fields))


@typeof_impl.register(Held)
def _typeof(value: Held, _: Any) -> HeldType:
    return value.type


@register_model(HeldType)
class HeldModel(models.OpaqueModel):
    """A pointer."""


@unbox(HeldType)
def _unbox(_: Any, value: Any, c: Any) -> NativeValue:
    address = c.pyapi.object_getattr_string(value, "address")
    pointer = c.builder.inttoptr(c.pyapi.long_as_ulonglong(address), cgutils.voidptr_t)
    c.pyapi.decref(address)
    return NativeValue(pointer, is_error=c.pyapi.c_api_error())


@infer_getattr
class _Attributes(AttributeTemplate):
    key = HeldType

    def generic_resolve(self, held: HeldType, name: str) -> Any:
        return held.fields[name].type if name in held.fields else None


@lower_getattr_generic(HeldType)
def _read(context: Any, builder: Any, held: HeldType, pointer: Any, name: str) -> Any:
    """Read a field; an array is put together of its words."""
    kind, at = held.fields[name]

    def word(i: int, as_type: Any) -> Any:
        place = cgutils.gep(builder, builder.bitcast(pointer, cgutils.intp_t.as_pointer()), at + i)
        value = builder.load(builder.bitcast(place, as_type.as_pointer()))
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        return value

    if isinstance(kind, types.Array):
        array = make_array(kind)(context, builder)
        element = context.get_abi_sizeof(context.get_data_type(kind.dtype))
        lengths = [word(1 + i, cgutils.intp_t) for i in range(kind.ndim)]
        steps = [context.get_constant(types.intp, element)]
        for length in lengths[:0:-1]:
            steps.insert(0, builder.mul(steps[0], length))
        data = word(0, context.get_data_type(kind.dtype).as_pointer())
        populate_array(array, data, lengths, steps, context.get_constant(types.intp, element), meminfo=None)
        return array._getvalue()
    if isinstance(kind, types.Boolean):
        return builder.icmp_unsigned("!=", word(0, cgutils.intp_t), llvm.Constant(cgutils.intp_t, 0))
    return word(0, context.get_value_type(kind))
