"""ONNX's layers: convolutions, poolings, padding, batch normalization, matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from exchange.graph.linear import MAX_SIDE, Shape
from exchange.onnx.sums import total
from exchange.onnx.walk import MAX_MAP, Op, Value
from ir import layers
from ir.arrays import Array
from ir.check import FormatError
from ir.layers.shapes import size_of

AUTO_PADS = {"NOTSET": "", "VALID": "valid", "SAME_UPPER": "same_upper", "SAME_LOWER": "same_lower"}


def _sample(op: Op, value: Value, axes: int | None = None) -> Value:
    """A value whose first axis is the batch, as layers take it."""
    if not op.walk.lead:
        if not value.shape or value.shape[0] != 1:
            raise FormatError(f"it takes the first axis of {value.shape} for the batch; give the input a batch axis")
        value = op.reshaped(value, value.shape[1:])
    if axes is not None and len(value.shape) != axes + 1:
        raise FormatError(f"it has {axes} axes behind the channels, values of shape {value.shape} come in")
    return value


def _batched(op: Op, value: Value) -> Value:
    """A layer's result as the file has it."""
    return value if op.walk.lead else op.reshaped(value, (1, *value.shape))


def _sides(op: Op, name: str, axes: int) -> Array:
    given = op.given.integers(name)
    given = [1] * axes if given is None else given
    if len(given) != axes or min(given) < 1 or max(given) > MAX_SIDE:
        raise FormatError(f"its {name} are {given[:8]}; give {axes} numbers from 1 to {MAX_SIDE}")
    return np.array(given)


def _padding(op: Op, axes: int) -> Array | str:
    """(axes, 2) zeros before and after, or a word."""
    word, pads = op.given.text("auto_pad", "NOTSET"), op.given.integers("pads")
    if word not in AUTO_PADS:
        raise FormatError(f"its auto_pad is {word!r}; use one of {', '.join(AUTO_PADS)}")
    if AUTO_PADS[word]:
        return AUTO_PADS[word]
    pads = [0] * (2 * axes) if pads is None else pads
    if len(pads) != 2 * axes or min(pads) < 0 or max(pads) > MAX_SIDE:
        raise FormatError(f"its pads are {pads[:8]}; give {2 * axes} numbers from 0 to {MAX_SIDE}")
    return np.array(pads).reshape(2, axes).T


def conv(op: Op) -> Value:
    """``Conv``."""
    weight = op.floats(1)
    axes = weight.ndim - 2
    if axes not in (1, 2):
        raise FormatError(f"its kernel has {axes} axes; only one- and two-dimensional convolutions are read")
    value = _sample(op, op.value(), axes)
    kernel = op.given.integers("kernel_shape")
    if kernel is not None and tuple(kernel) != weight.shape[2:]:
        raise FormatError(f"its kernel_shape is {kernel}, its weight has shape {weight.shape}")
    params: dict[str, Any] = {
        "weight": weight,
        "groups": np.array(op.given.integer("group", 1)),
        "stride": _sides(op, "strides", axes),
        "dilation": _sides(op, "dilations", axes),
        "padding": _padding(op, axes),
    }
    if op.has(2):
        bias = op.floats(2)
        if bias.shape != weight.shape[:1]:
            raise FormatError(f"its bias has shape {bias.shape}; it makes {weight.shape[0]} channels")
        params["bias"] = bias
    return _batched(op, op.put(f"Conv{axes}d", params, value))


def pool(op: Op) -> Value:
    """``AveragePool`` and ``MaxPool``."""
    kernel = op.given.integers("kernel_shape")
    if kernel is None or len(kernel) not in (1, 2):
        raise FormatError("only poolings along one or two axes are read")
    axes = len(kernel)
    params: dict[str, Any] = {
        "kernel_size": _sides(op, "kernel_shape", axes),
        "stride": _sides(op, "strides", axes),
        "dilation": _sides(op, "dilations", axes),
        "padding": _padding(op, axes),
        "ceil_mode": np.array(op.given.integer("ceil_mode", 0)),
    }
    if op.kind == "AveragePool":
        params["count_include_pad"] = np.array(op.given.integer("count_include_pad", 0))
    else:
        op.given.integer("storage_order", 0)
    value = _sample(op, op.value(), axes)
    if isinstance(params["padding"], str) and params["padding"] != "valid":
        _check_same(params, value.shape[1:])
    _check_counted(op, params, value.shape[1:])
    kind = "AvgPool" if op.kind == "AveragePool" else "MaxPool"
    return _batched(op, op.put(f"{kind}{axes}d", params, value))


def _check_same(params: dict[str, Any], sides: Shape) -> None:
    """Refuse SAME where the windows end before the input does: ONNX Runtime crops both ends, others do not."""
    for n, k, s, d in zip(sides, params["kernel_size"], params["stride"], params["dilation"]):
        if (-(-n // s) - 1) * s + (k - 1) * d + 1 < n:
            raise FormatError(f"its auto_pad leaves out some of {n} values, which runtimes read differently; give pads")


def _check_counted(op: Op, params: dict[str, Any], sides: Shape) -> None:
    """Refuse more padding behind than before that counts: ONNX Runtime takes part of it for none, the standard none."""
    pads = params["padding"]
    if op.walk.folding.opset < 19 or len(sides) != 2 or not params.get("count_include_pad", 0):
        return
    if isinstance(pads, str):
        steps = zip(sides, params["kernel_size"], params["stride"], params["dilation"])
        total = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in steps]
        uneven = pads == "same_upper" and any(n % 2 for n in total)
    else:
        uneven = bool((pads[:, 1] > pads[:, 0]).any())
    if uneven:
        raise FormatError("it counts more padding behind than before, which runtimes read differently; use a Pad")


def global_pool(op: Op) -> Value:
    """``GlobalAveragePool`` and ``GlobalMaxPool``."""
    value = _sample(op, op.value())
    axes = len(value.shape) - 1
    if axes not in (1, 2):
        raise FormatError(f"it pools over {axes} axes of values of shape {value.shape}; only one or two are read")
    if op.kind == "GlobalMaxPool":
        sides = np.array(value.shape[1:])
        return _batched(op, op.put(f"MaxPool{axes}d", {"kernel_size": sides, "stride": sides}, value))
    return _batched(op, op.put(f"GlobalAvgPool{axes}d", {}, value))


def pad(op: Op) -> Value:
    """``Pad`` with zeros; negative pads crop."""
    value = op.value()
    mode, rank = op.given.text("mode", "constant"), op.rank(value)
    fill = op.given.number("value", 0.0) if not op.has(2) else float(op.constant(2).reshape(-1)[:1].sum())
    pads = op.list("pads", 1)
    axes = op.whole(3) if op.has(3) else list(range(rank))
    if pads is None or len(pads) != 2 * len(axes):
        raise FormatError(f"it pads {len(axes)} axes with {len(pads or [])} numbers; give two an axis")
    around = [(0, 0)] * len(value.shape)
    for given, before, after in zip(axes, pads, pads[len(axes) :]):
        if (before, after) != (0, 0):
            around[op.axis(given, rank)] = (before, after)
    if len({a % max(rank, 1) for a in axes}) != len(axes):
        raise FormatError(f"it pads axes {axes[:8]}; name each once")
    if any(abs(p) > MAX_SIDE for pair in around for p in pair):
        raise FormatError(f"it pads by {pads[:8]}, at most {MAX_SIDE}")
    grows = any(p > 0 for pair in around for p in pair)
    if grows and (mode != "constant" or fill != 0):
        raise FormatError(f"it pads with {fill if mode == 'constant' else repr(mode)}; only zeros are read")
    images = len(value.shape) in (2, 3) and bool(op.walk.lead) and around[0] == (0, 0)
    if images:
        return op.put(f"ZeroPad{len(value.shape) - 1}d", {"padding": np.array(around[1:])}, value)
    sides = tuple(s + a + b for s, (a, b) in zip(value.shape, around))
    if min(sides) < 1 or size_of(sides) > MAX_MAP:
        raise FormatError(f"it pads values of shape {value.shape} by {around}; the result is empty or too large")
    places = np.pad(op.places(value), [(max(a, 0), max(b, 0)) for a, b in around], constant_values=-1)
    return op.picked(value, places[tuple(slice(max(-a, 0), s - max(-b, 0)) for s, (a, b) in zip(places.shape, around))])


def batch_normalization(op: Op) -> Value:
    """``gamma (x - mean) / sqrt(var + eps) + beta`` as a scale and a shift."""
    value = _sample(op, op.value())
    if op.given.integer("training_mode", 0) or not op.given.integer("spatial", 1):
        raise FormatError("it normalizes with the statistics of the batch; export the model in eval mode")
    op.given.number("momentum", 0.9)
    gamma, beta, mean, var = (op.floats(i) for i in range(1, 5))
    shapes = {x.shape for x in (gamma, beta, mean, var)}
    if len(shapes) != 1 or gamma.ndim != 1 or not value.shape:
        raise FormatError(f"its parameters have shapes {sorted(shapes)}; give one number a channel")
    layers.normalization(f"{op.kind} {op.name!r}", value.shape, gamma.size)
    var = var + op.given.number("epsilon", 1e-5)
    if not (var > 0).all():
        raise FormatError("its variance is not positive")
    scale = gamma / np.sqrt(var)
    sides = (-1, *(1,) * (len(value.shape) - 1))
    params = {"scale": scale.reshape(sides), "bias": (beta - mean * scale).reshape(sides)}
    return _batched(op, op.put("BatchNorm", params, value))


def gemm(op: Op) -> Value:
    """``alpha A B + beta C``; C may depend on the data too."""
    value = _sample(op, op.value(), 0)
    weight = op.floats(1)
    if op.given.integer("transA", 0):
        raise FormatError("transA is set; the batch must come first")
    op.given.integer("broadcast", 1)
    if weight.ndim != 2:
        raise FormatError(f"its weight has shape {weight.shape}; a matrix is needed")
    weight = weight if op.given.integer("transB", 0) else weight.T
    result = _batched(op, _times(op, op.put("Linear", {"weight": weight}, value), op.given.number("alpha", 1.0)))
    beta = op.given.number("beta", 1.0)
    if not op.has(2):
        return result
    added = op.inputs[2]
    added = _times(op, op.value(2), beta) if isinstance(added, Value) else op.floats(2) * beta
    whole = total(op, [result, added])
    if whole.shape != result.shape:
        raise FormatError(f"what it adds widens the result {result.shape} to {whole.shape}")
    return whole


def _times(op: Op, value: Value, factor: float) -> Value:
    return value if factor == 1 else op.put("Scale", {"scale": np.array(factor)}, value)


def matmul(op: Op) -> Value:
    """``MatMul`` with a fixed matrix on either side, along the last axes of one sample."""
    at = 0 if isinstance(op.inputs[0], Value) else 1
    value, weight = op.value(at), op.floats(1 - at)
    if weight.ndim == 0 or any(s != 1 for s in weight.shape[:-2]) or weight.ndim > max(op.rank(value), 2):
        raise FormatError(f"its matrix has shape {weight.shape}; one matrix for all values is read")
    vector = weight.ndim == 1
    matrix = weight.reshape(weight.shape[-2:]) if not vector else weight[:, None] if at == 0 else weight[None]
    sides = list(value.shape)
    if at == 0:
        if not sides:
            raise FormatError("it multiplies along the batch; samples must stay apart")
        lead, summed, trail = sides[:-1], sides[-1], []
        matrix = matrix.T
    elif len(sides) < 2 and (op.walk.lead or not sides):
        raise FormatError("it multiplies along the batch; samples must stay apart")
    else:
        lead, summed, trail = (sides[:-2], sides[-2], sides[-1:]) if len(sides) > 1 else ([], sides[0], [])
    if matrix.shape[1] != summed:
        raise FormatError(f"its matrix has shape {weight.shape}, what comes in has shape {value.shape}")
    shape = (*lead, *([] if vector else [matrix.shape[0]]), *trail)
    if size_of(lead) * size_of(trail) == 1:
        return op.reshaped(op.put("Linear", {"weight": matrix}, value), shape)
    return _along(op, value, matrix, (size_of(lead), size_of(trail)), shape)


def _along(op: Op, value: Value, matrix: Array, around: tuple[int, int], shape: tuple[int, ...]) -> Value:
    """``matrix`` (m, k) on the middle axis of (before, k, after), synapse by synapse."""
    (m, k), (before, after) = matrix.shape, around
    if before * m * k * after > MAX_MAP:
        raise FormatError(f"it has {before * m * k * after} weights written out, at most {MAX_MAP}; use a convolution")
    b, i, j, a = np.ogrid[:before, :m, :k, :after]
    full = (before, m, k, after)
    pre, post = (b * k + j) * after + a, (b * m + i) * after + a
    pre, post, weight = (np.broadcast_to(x, full).reshape(-1) for x in (pre, post, matrix[None, :, :, None]))
    return op.mapped(value, shape, pre, post, weight)
