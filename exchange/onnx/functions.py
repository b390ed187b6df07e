"""One time step of our neurons as ONNX model-local functions: standard operators only, readable as text."""

from __future__ import annotations

import onnx
import onnx.parser

from ir.arithmetic import DECAY_ALL, Arithmetic
from ir.neurons import LIF, FixedLIF

DOMAIN = "unlayered"
OPSET = 18
HEAD = f'<opset_import: ["" : {OPSET}], domain: "{DOMAIN}">'

FIRED = "above = Greater(m, threshold)  spikes = CastLike(above, m)"
FIRE = {
    "zero": f"{FIRED}  none = Sub(m, m)  next_v = Where(above, none, m)",
    "subtract": f"{FIRED}  less = Sub(m, threshold)  next_v = Where(above, less, m)",
    "zero_late": f"{FIRED}  next_v = Identity(m)",
    "subtract_late": f"{FIRED}  next_v = Identity(m)",
    "none": f"{FIRED}  next_v = Identity(m)",
    "many": "q = Div(m, threshold)  whole = Floor(q)  none = Sub(m, m)  spikes = Max(whole, none)  "
    "off = Mul(spikes, threshold)  next_v = Sub(m, off)",
}
"""How the membrane ``m`` fires and resets; ``many``: floor(m / threshold) times."""

LATE = {
    "zero_late": "none = Sub(left, left)  held = Where(fired, none, left)",
    "subtract_late": "reduced = Sub(left, threshold)  lost = Max(reduced, v_min)  held = Where(fired, lost, left)",
}
"""What a leak has left of v, ``left``, after a late reset: where v lies above the threshold it has fired."""


def _held(fire: str) -> str:
    """``held``: the membrane at the start of a time step."""
    late = LATE.get(fire)
    return "held = Identity(left)" if late is None else f"fired = Greater(v, threshold)  {late}"


def float_kind(neuron: LIF) -> str:
    """Name of the function of a float neuron, e.g. ``CubaLIF_zero``."""
    fire = "many" if neuron.multi_spike else neuron.reset
    return f"{'LIF' if neuron.tau_syn_s is None else 'CubaLIF'}_{fire}"


def float_function(kind: str) -> onnx.FunctionProto:
    """``u <- leak_u u + drive; m = max(leak_v v + u + bias, v_min)``, then fire; as E0, in the same order."""
    family, fire = kind.split("_", 1)
    if family == "LIF":
        head = "(v, drive, leak_v, bias, threshold, v_min) => (spikes, next_v)"
        current = "next_u = Identity(drive)"
    else:
        head = "(v, u, drive, leak_v, leak_u, bias, threshold, v_min) => (spikes, next_v, next_u)"
        current = "kept = Mul(u, leak_u)  next_u = Add(kept, drive)"
    body = "summed = Add(held, next_u)  biased = Add(summed, bias)  m = Max(biased, v_min)"
    lines = f"left = Mul(v, leak_v)  {_held(fire)}  {current}  {body}  {FIRE[fire]}"
    return parse(f"{kind} {head}", lines.replace("  ", "\n"))


def fixed_kind(neuron: FixedLIF, arithmetic: Arithmetic) -> str:
    """Name of the function of an integer neuron, e.g. ``FixedLIF_lava_zero``."""
    biased = "" if neuron.current_bias(0) is None else "_bias_u"
    return f"FixedLIF_{arithmetic.name}_{neuron.reset}{biased}"


def fixed_function(kind: str, arithmetic: Arithmetic) -> onnx.FunctionProto:
    """The registers of ``ir.arithmetic`` in int64, edge by edge; ``sum`` is the drive in weight units, in int32."""
    a, biased = arithmetic, kind.endswith("_bias_u")
    fire = kind.removeprefix(f"FixedLIF_{a.name}_").removesuffix("_bias_u")
    lines = [*_leak("u", "left_u", "decay_u"), *_leak("v", "left", "decay_v"), *_held(fire).split("  ")]
    lines += [_constant("shift", 1 << a.weight_shift), "shifted = Mul(sum, shift)", *_wrap("shifted", "x0", 31)]
    lines += _wrap("x0", "x", a.accumulator_bits) if a.accumulator_bits else ["x = Identity(x0)"]
    lines += ["u_sum = Add(left_u, x)", "u_raw = Add(u_sum, bias_u)" if biased else "u_raw = Identity(u_sum)"]
    lines += [*_wrap("u_raw", "u_32", 31), *_wrap_current("u_32", "next_u", a)]
    if a.bias_in_u:
        lines += ["s_raw = Add(next_u, bias)", *_wrap_current("s_raw", "s", a), "v_raw = Add(held, s)"]
    else:
        lines += ["v_sum = Add(held, next_u)", "v_raw = Add(v_sum, bias)"]
    lines += [
        *_wrap("v_raw", "v_32", 31),
        _constant("v_max", a.v_max),
        "v_low = Max(v_32, v_min)",
        "m = Min(v_low, v_max)",
    ]
    lines += FIRE[fire].split("  ")
    given = "v, u, sum, decay_v, decay_u, bias, threshold, v_min" + (", bias_u" if biased else "")
    head = f"({given}) => (spikes, next_v, next_u)"
    return parse(f"{kind} {head}", "\n".join(lines))


def _constant(name: str, value: int) -> str:
    return f"{name} = Constant <value = int64 {{{value}}}> ()"


def _leak(x: str, left: str, decay: str) -> list[str]:
    """``x (4096 - decay) / 4096`` toward zero, as ONNX divides integers."""
    return [
        _constant(f"{left}_all", DECAY_ALL),
        f"{left}_share = Sub({left}_all, {decay})",
        f"{left}_raw = Mul({x}, {left}_share)",
        f"{left} = Div({left}_raw, {left}_all)",
    ]


def _wrap(x: str, wrapped: str, bits: int) -> list[str]:
    """Two's complement in ``bits`` bits beside the sign."""
    return [
        _constant(f"{wrapped}_half", 1 << bits),
        _constant(f"{wrapped}_full", 2 << bits),
        f"{wrapped}_up = Add({x}, {wrapped}_half)",
        f"{wrapped}_mod = Mod({wrapped}_up, {wrapped}_full)",
        f"{wrapped} = Sub({wrapped}_mod, {wrapped}_half)",
    ]


def _wrap_current(x: str, wrapped: str, a: Arithmetic) -> list[str]:
    """The current at its edge: ``two_sided``, or one addition at most as Lava does."""
    if a.u_wrap == "two_sided":
        return _wrap(x, wrapped, a.u_bits)
    return [
        _constant(f"{wrapped}_edge", 1 << a.u_bits),
        _constant(f"{wrapped}_full", 2 << a.u_bits),
        f"{wrapped}_low_edge = Neg({wrapped}_edge)",
        f"{wrapped}_high = Greater({x}, {wrapped}_edge)",
        f"{wrapped}_low = LessOrEqual({x}, {wrapped}_low_edge)",
        f"{wrapped}_minus = Sub({x}, {wrapped}_full)",
        f"{wrapped}_plus = Add({x}, {wrapped}_full)",
        f"{wrapped}_raised = Where({wrapped}_low, {wrapped}_plus, {x})",
        f"{wrapped} = Where({wrapped}_high, {wrapped}_minus, {wrapped}_raised)",
    ]


def parse(signature: str, body: str) -> onnx.FunctionProto:
    """A function from ONNX's own text form."""
    return onnx.parser.parse_function(f"{HEAD}\n{signature} {{\n{body}\n}}")
