"""Which parameters a NIR primitive has (nir 1.0.8 and before): what is not here is told, never dropped."""

from __future__ import annotations

CONVOLUTION = ("input_shape", "weight", "stride", "padding", "dilation", "groups", "bias")
POOLING = ("kernel_size", "stride", "padding")

PARAMETERS: dict[str, tuple[str, ...]] = {
    "Input": ("shape",),
    "Output": ("shape",),
    "Affine": ("weight", "bias"),
    "Linear": ("weight",),
    "Scale": ("scale",),
    "Conv1d": CONVOLUTION,
    "Conv2d": CONVOLUTION,
    "SumPool2d": POOLING,
    "AvgPool2d": POOLING,
    "Flatten": ("start_dim", "end_dim"),
    "Delay": ("delay",),
    "I": ("r",),
    "LI": ("tau", "r", "v_leak"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    "IF": ("r", "v_threshold", "v_reset"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
    "Threshold": ("threshold",),
}

BESIDE = {"MaxPool1d": POOLING, "MaxPool2d": POOLING}
"""What NIR does not define and is read all the same."""

ANY = ("input_type", "output_type")
"""The shapes of what goes in and comes out: derived from the others, written by some releases."""

GRAPH = ("type", "nodes", "edges", "metadata", *ANY)
FILE = ("node", "version")


def unknown(kind: str, params: dict[str, object]) -> list[str]:
    """Parameters that NIR does not define for a node of this kind; none where it does not know the kind."""
    own = {**PARAMETERS, **BESIDE}.get(kind)
    return [] if own is None else sorted(set(params) - set(own) - set(ANY))
