"""The sigma-delta neurons (SDNN) of a lava-dl ``.net`` layer, as netx makes lava's processes of them."""

from __future__ import annotations

import numpy as np

from exchange.hdf5.tree import Tree, check_keys
from exchange.net.keys import SIGMA_DELTA, one
from ir.arrays import Array
from ir.check import FormatError, require
from ir.neurons import FixedSigmaDelta

SPIKE_EXP = 6
"""netx' default for the bits that graded spikes have behind those of weights (its argument ``spike_exp``)."""

STATE_EXP = 6
"""The bits of weights behind the point, by which states are finer than what is sent."""

ACTIVATIONS = {"relu": True, "identity": False}
"""Whether they rectify."""


def read_sigma_delta(
    tree: Tree, who: str, said: str, bias: Array | None, spike_exp: int, is_input: bool
) -> FixedSigmaDelta:
    """Threshold and bias mantissas; ``vThMant << spike_exp + 6`` and ``bias << spike_exp + 6`` in units of states.

    Args:
        said: the word for the layer's activation, "" where it has none.
        is_input: it codes what comes in (``Delta``): the activation of an input layer is not run.
    """
    who = f"the neurons of {who}"
    check_keys(tree, SIGMA_DELTA, who)
    graded = bool(np.all(tree.get("gradedSpike", True)))
    require(graded, f"{who} say gradedSpike off, and SDNN neurons send graded spikes alone; delete the key")
    for key in ("wgtExp", "weight_exp"):
        exponent = one(tree, key, who, 0)
        require(exponent == 0, f"{who} have {key} {exponent}, which sigma-delta neurons of lava have not; fold it in")
    if said not in ("", *ACTIVATIONS):
        raise FormatError(f"{who} have activation {said!r}; {' and '.join(ACTIVATIONS)} are read")
    if "sigma_output" in tree:
        sums_only = bool(np.all(tree["sigma_output"])) and not is_input
        require(sums_only, f"{who} have a sigma_output that is off, or lies on an input; delete the key")
        require(bias is None, f"{who} have a bias and sigma_output; lava's Sigma has no bias: fold it into the readout")
        return FixedSigmaDelta(None, None, spike_exp, STATE_EXP, rectifies=False)
    require("vThMant" in tree, f"{who} have no vThMant; export the network again")
    threshold = one(tree, "vThMant", who, 0)
    require(threshold >= 0, f"{who} have vThMant {threshold}; give 0 or more")
    if is_input:
        require(bias is None, f"{who} have a bias, and lava's Delta has none; add it to the image, leave the key out")
        return FixedSigmaDelta(threshold, None, spike_exp, STATE_EXP, sums=False, rectifies=False)
    return FixedSigmaDelta(threshold, bias, spike_exp, STATE_EXP, rectifies=ACTIVATIONS.get(said, True))
