"""What one linear node of a NIR or ONNX graph does to values of a known shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exchange.graph.nodes import Node
from exchange.hdf5.tree import numbers
from ir import layers
from ir.arrays import Array
from ir.check import FormatError
from ir.compose import sparse_of
from ir.connection import Connection, Dense, Sparse
from ir.layers.shapes import size_of

Shape = tuple[int, ...]

MAX_SIDE = 1 << 16
MAX_VALUES = 1 << 22


@dataclass(frozen=True)
class Step:
    """``y(t) = scale * W x(t - delay) + bias``.

    Attributes:
        shape: of y.
        connection: W; None = identity.
        scale: () or (n,); None = 1.
        delay_s: seconds, () or one a value of x.
        bias: (n,); None = 0.
    """

    shape: Shape
    connection: Connection | None = None
    scale: Array | None = None
    delay_s: Array | float = 0.0
    bias: Array | None = None

    def __post_init__(self) -> None:
        if self.n > MAX_VALUES:
            raise FormatError(f"values of shape {self.shape} are more than {MAX_VALUES}; no chip holds so many")

    @property
    def n(self) -> int:
        return size_of(self.shape)


def step_of(node: Node, shape: Shape) -> Step:
    """A linear node on values of ``shape``.

    Kinds beyond NIR's own: ``Reshape`` (to ``shape``, of the same size), ``Shift`` and ``BatchNorm`` (``scale``,
    ``bias``), ``GlobalAvgPool``, ``MaxPool`` (of spikes, 0 or 1) and ``ZeroPad`` as the table of layers takes them,
    ``Map`` (synapses ``pre``, ``post``, ``weight`` onto ``shape``).

    Raises:
        FormatError: the node's parameters do not fit, by name.
    """
    try:
        return _step_of(node, shape)
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError(_named(node, str(error))) from error


def _step_of(node: Node, shape: Shape) -> Step:
    if node.kind == "Identity":
        return Step(shape)
    if node.kind == "Flatten":
        return Step(_flat(shape, node))
    if node.kind == "Reshape":
        return Step(tuple(int(x) for x in node.params["shape"]))
    if node.kind == "Delay":
        return Step(shape, delay_s=_delay(node, size_of(shape)))
    if node.kind in ("Scale", "Shift", "BatchNorm"):
        scale = _fitting(node, "scale", shape) if node.kind != "Shift" else None
        bias = _fitting(node, "bias", shape) if node.kind != "Scale" else None
        return Step(shape, scale=scale, bias=bias)
    if node.kind == "Map":
        after = tuple(int(x) for x in node.params["shape"])
        pre, post, weight = (node.params[k] for k in ("pre", "post", "weight"))
        if bool((np.diff(post) > 0).all()):  # at most one synapse a target, in order
            indptr = np.concatenate([[0], np.cumsum(np.bincount(post, minlength=size_of(after)))])
            return Step(after, Sparse(indptr, pre, weight, size_of(shape)))
        return Step(after, sparse_of(pre, post, weight, size_of(shape), size_of(after)))
    if node.kind in ("Affine", "Linear"):
        return _dense(node, shape)
    return _sliding(node, shape)


def who(node: Node) -> str:
    """How sentences name a node."""
    return f"{node.kind} {node.name!r}"


def _named(node: Node, sentence: str) -> str:
    return sentence if repr(node.name) in sentence else f"{who(node)}: {sentence}"


def _bias(node: Node, shape: Shape) -> Array | None:
    """What Affine and convolutions add, (n,); None where nothing."""
    if node.kind not in ("Affine", "Conv1d", "Conv2d") or "bias" not in node.params:
        return None
    bias = numbers(node.params, "bias", who(node)).astype(np.float64)
    n = size_of(shape)
    if node.kind != "Affine" and bias.ndim == 1 and bias.size == shape[0]:
        bias = np.repeat(bias, n // shape[0])
    if bias.size not in (1, n):
        raise FormatError(f"the bias of {who(node)} has shape {bias.shape}; its output has {n} values")
    bias = np.broadcast_to(bias.reshape(-1), (n,))
    return bias if bias.any() else None


def integers(node: Node, key: str, count: int, default: int | None = None) -> tuple[int, ...]:
    """A small integer parameter, once for each axis."""
    if key not in node.params and default is not None:
        return (default,) * count
    given = numbers(node.params, key, who(node), "iuf").reshape(-1)
    if given.size not in (1, count) or bool((given != np.round(given)).any()) or bool((np.abs(given) > MAX_SIDE).any()):
        raise FormatError(f"{key} of {who(node)} is {given.tolist()[:4]}; give {count} whole numbers")
    return tuple(int(x) for x in np.broadcast_to(given, (count,)))


def _padding(node: Node, axes: int) -> layers.Padding:
    """One number an axis, (before, after) an axis, or a word."""
    given = node.params.get("padding", 0)
    if isinstance(given, str):
        return given
    if isinstance(given, np.ndarray) and given.ndim == 2 and given.shape == (axes, 2):
        return _pairs(node, axes)
    return integers(node, "padding", axes, 0)


def _pairs(node: Node, axes: int) -> list[tuple[int, ...]]:
    """Padding as (before, after) an axis."""
    pairs = integers(node, "padding", 2 * axes)
    return [pairs[i : i + 2] for i in range(0, 2 * axes, 2)]


def _one_sample(shape: Shape, sides: int) -> Shape:
    """A shape without the batch axis of one sample that some writers leave in."""
    while len(shape) > sides and shape[0] == 1:
        shape = shape[1:]
    return shape


def _dense(node: Node, shape: Shape) -> Step:
    """Affine and Linear, on all values that come in."""
    weight = numbers(node.params, "weight", who(node))
    if weight.ndim != 2 or weight.shape[1] != size_of(shape):
        raise FormatError(f"the weight of {who(node)} has shape {weight.shape}, what comes in has shape {shape}")
    after = (int(weight.shape[0]),)
    return Step(after, Dense(_floats(weight)), bias=_bias(node, after))


def _sliding(node: Node, shape: Shape) -> Step:
    """Convolutions, poolings and padding; none where each value stays as it is."""
    axes = 1 if node.kind.endswith("1d") else 2
    shape = _one_sample(shape, axes + 1)
    if node.kind in ("Conv1d", "Conv2d"):
        weight = numbers(node.params, "weight", who(node))
        if weight.ndim != axes + 2:
            sides = "k" if axes == 1 else "kh, kw"
            raise FormatError(
                f"the weight of {who(node)} has shape {weight.shape}; give (C_out, C_in / groups, {sides})"
            )
        _check_image(node, shape, axes)
        stride, dilation = integers(node, "stride", axes, 1), integers(node, "dilation", axes, 1)
        groups = integers(node, "groups", 1, 1)[0]
        window = layers.conv(who(node), shape, weight.shape, stride, _padding(node, axes), dilation, groups)
        written = weight.shape[0] * weight.shape[1] * size_of(window.kernel)
        if written > max(4 * MAX_VALUES, weight.size):
            raise FormatError(f"{who(node)} takes a kernel of {written} weights to pad unevenly; pad less")
        connection = window.connection(_floats(weight))
        return Step(window.out_shape, connection, bias=_bias(node, window.out_shape))
    window = _window(node, shape, axes)
    if window.in_shape[0] * size_of(window.kernel) > 4 * MAX_VALUES:
        raise FormatError(f"the kernel {window.kernel} of {who(node)} is too large; it gets values of shape {shape}")
    plain = window.kernel == window.stride == (1, 1) and window.padding == (0, 0) and window.weight == 1
    return Step(window.out_shape, None if plain and window.out_shape == shape else window.connection())


def _check_image(node: Node, shape: Shape, axes: int) -> None:
    """Refuse a convolution that says another image than it gets; some writers leave the sides out, or 0."""
    declared = node.params.get("input_shape")
    if not isinstance(declared, np.ndarray) or declared.dtype.kind not in "iu" or bool((declared < 1).any()):
        return
    sides = tuple(int(x) for x in declared.reshape(-1))
    if sides and sides[-axes:] != shape[1:]:
        raise FormatError(f"{who(node)} has input_shape {sides}, what comes in has shape {shape}; correct it")


def sees_several(node: Node, shape: Shape) -> bool:
    """Whether a window of a max pooling sees several values, so that the largest of them is no linear map."""
    axes = 1 if node.kind.endswith("1d") else 2
    try:
        _window(node, _one_sample(shape, axes + 1), axes, of_spikes=False)
    except FormatError:
        raise
    except ValueError:
        return True
    return False


def _window(node: Node, shape: Shape, axes: int, of_spikes: bool = True) -> layers.Window:
    """Poolings and padding, as the table of layers has them."""
    name = who(node)
    if node.kind.startswith("GlobalAvgPool"):
        return layers.adaptive_average_pool(name, shape, 1, axes)
    if node.kind.startswith("ZeroPad"):
        return layers.zero_pad(name, shape, _pairs(node, axes))
    kernel = integers(node, "kernel_size", axes)
    stride, padding = integers(node, "stride", axes), _padding(node, axes)
    if node.kind.startswith("SumPool"):
        return layers.sum_pool(name, shape, kernel, stride, padding)
    dilation = integers(node, "dilation", axes, 1)
    ceil = bool(integers(node, "ceil_mode", 1, 0)[0])
    if node.kind.startswith("MaxPool"):  # of spikes, or of single values: ``graph.pooling`` sees to it
        return layers.max_pool(name, shape, kernel, stride, padding, ceil, dilation, of_spikes)
    counted = bool(integers(node, "count_include_pad", 1, 1)[0])
    return layers.average_pool(name, shape, kernel, stride, padding, ceil, counted, dilation=dilation)


def _floats(weight: Array) -> Array:
    return weight if weight.dtype.kind == "f" and weight.dtype.itemsize >= 4 else weight.astype(np.float64)


def _flat(shape: Shape, node: Node) -> Shape:
    """Axes start..end as one; where the file counts a batch axis, so does this."""
    declared = node.params.get("input_type")
    declared = declared.get("input") if isinstance(declared, dict) else declared
    sides = declared.size if isinstance(declared, np.ndarray) else len(shape)
    (start,), (end,) = integers(node, "start_dim", 1, 0), integers(node, "end_dim", 1, -1)
    for full in ((1, *shape), shape) if sides == len(shape) + 1 else (shape, (1, *shape)):
        first, last = (x + len(full) if x < 0 else x for x in (start, end))
        if 0 <= first <= last < len(full):
            after = (*full[:first], size_of(full[first : last + 1]), *full[last + 1 :])
            return _one_sample(after, max(1, len(after) - (len(full) - len(shape))))
    raise FormatError(f"{who(node)} flattens axes {start}..{end} of values of shape {shape}")


def _fitting(node: Node, key: str, shape: Shape) -> Array:
    """One number, or one a value: (n,)."""
    values = numbers(node.params, key, who(node)).astype(np.float64)
    if values.size == 1:
        return values.reshape(()) if key == "scale" else np.broadcast_to(values.reshape(()), (size_of(shape),))
    if values.size == size_of(shape):
        return values.reshape(-1)
    try:
        return np.broadcast_to(values, shape).reshape(-1)
    except ValueError as error:
        raise FormatError(f"the {key} of {who(node)} has shape {values.shape}, what comes in {shape}") from error


def _delay(node: Node, n: int) -> Array:
    delay = numbers(node.params, "delay", who(node)).astype(np.float64).reshape(-1)
    if delay.size not in (1, n) or bool((delay < 0).any()):
        least = f"the least {delay.min():g} s" if delay.size else "none"
        raise FormatError(f"delay of {who(node)} has {delay.size} values, {least}; give one or {n}, at least 0")
    return delay[0] if bool((delay == delay[0]).all()) else delay
