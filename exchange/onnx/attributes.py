"""The settings of one ONNX node, each of the type the standard gives it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto

from exchange.onnx.model import Beside, array
from ir.arrays import Array
from ir.check import FormatError

KINDS: dict[int, str] = {
    AttributeProto.INT: "i",
    AttributeProto.FLOAT: "f",
    AttributeProto.INTS: "ints",
    AttributeProto.FLOATS: "floats",
    AttributeProto.STRING: "s",
    AttributeProto.TENSOR: "t",
}
"""Kinds of attributes that are read, and the field that holds them."""


class Attributes:
    """The settings of a node, each of the type the standard gives it; what is never asked for is refused."""

    def __init__(self, node: onnx.NodeProto, beside: Beside) -> None:
        self._given = {a.name: a for a in node.attribute}
        self._beside = beside
        self._asked: set[str] = set()

    def _get(self, name: str, kinds: tuple[int, ...]) -> Any:
        self._asked.add(name)
        a = self._given.get(name)
        if a is None:
            return None
        if a.type not in kinds or a.ref_attr_name:
            words = " or ".join(AttributeProto.AttributeType.Name(k) for k in kinds)  # type: ignore[arg-type]
            raise FormatError(f"its attribute {name!r} is no {words}")
        return getattr(a, KINDS[a.type])

    def has(self, name: str) -> bool:
        """Whether a setting is given."""
        return name in self._given

    def integer(self, name: str, default: int) -> int:
        """A whole number."""
        value = self._get(name, (AttributeProto.INT,))
        return default if value is None else int(value)

    def integers(self, name: str) -> list[int] | None:
        """A list of whole numbers; None where it is absent."""
        value = self._get(name, (AttributeProto.INTS,))
        return None if value is None else [int(x) for x in value]

    def number(self, name: str, default: float) -> float:
        """A finite number."""
        value = self._get(name, (AttributeProto.FLOAT,))
        number = default if value is None else float(value)
        if not np.isfinite(number):
            raise FormatError(f"its attribute {name!r} is {number}; it must be finite")
        return number

    def text(self, name: str, default: str) -> str:
        """A word."""
        value = self._get(name, (AttributeProto.STRING,))
        return default if value is None else value.decode("utf-8", "replace")

    def constant(self) -> Array:
        """The one value that a ``Constant`` node holds."""
        names = list(self._given)
        if len(names) != 1:
            raise FormatError("it holds no single value")
        kinds = (AttributeProto.TENSOR, *(k for k in KINDS if k not in (AttributeProto.TENSOR, AttributeProto.STRING)))
        value = self._get(names[0], kinds)
        if self._given[names[0]].type == AttributeProto.TENSOR:
            return array(value, self._beside)
        whole = self._given[names[0]].type in (AttributeProto.INT, AttributeProto.INTS)
        return np.array(value, np.int64 if whole else np.float32)

    def check_all_known(self) -> None:
        """Raise for a setting that was never asked for: its meaning would be dropped."""
        unknown = sorted(set(self._given) - self._asked)
        if unknown:
            raise FormatError(f"its attribute {unknown[0]!r} is not known here")
