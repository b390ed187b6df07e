"""Max pooling of spikes: neurons that fire at the first spike of their window, in every executor alike.

Such a neuron is a LIF with threshold 0 (compared strictly), no memory and weights of 1, counted and served as all
others. Of spikes, 0 or 1 a time step, its own is the largest; of counts above 1 and of currents it is not.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ir.check import require
from ir.neurons import LIF, FixedLIF, FixedNeuron, Neuron

LARGEST = "a max pooling passes the largest of a window of spikes, 0 or 1"


def pools(neuron: Neuron | FixedNeuron) -> bool:
    """Whether a population of such neurons is a max pooling."""
    return isinstance(neuron, (LIF, FixedLIF)) and neuron.pools


def pooling(network: Any) -> tuple[str, ...]:
    """The names of a network's max poolings, in declaration order."""
    return tuple(p.name for p in network.populations if pools(p.neuron))


def check_pooling(network: Any) -> None:
    """Raise unless what leads into a max pooling has weights of 0 and 1, and comes from neurons that fire once.

    Raises:
        ValueError: the projection, and the way out.
    """
    names = pooling(network)
    several = {p.name for p in network.populations if getattr(p.neuron, "multi_spike", False)}
    for e in network.projections if names else ():
        if e.post not in names:
            continue
        who, weight = f"projection {e.pre} -> {e.post}", e.connection.weight
        ones = bool(((weight == 0) | (weight == 1)).all()) and getattr(e, "weight_exp", 0) == 0
        require(ones, f"{who} leads into a max pooling with weights other than 0 and 1; fold them into a layer before")
        require(
            e.pre not in several,
            f"{who} takes spikes of neurons that fire several times in one time step; {LARGEST}; use a sum pooling",
        )


def check_pooled(network: Any, frames: NDArray[Any]) -> None:
    """Raise where an input that leads into a max pooling holds more than spikes.

    Args:
        frames: (T, B, N_in).

    Raises:
        ValueError: the input, and the way out.
    """
    names, at = pooling(network), 0
    for block in network.inputs:
        here, at = frames[:, :, at : at + block.n], at + block.n
        into = next((e.post for e in network.projections if e.pre == block.name and e.post in names), None)
        require(
            into is None or bool(((here == 0) | (here == 1)).all()),
            f"input {block.name!r} holds counts above 1, below 0 or fractions, and leads into {into!r}; {LARGEST}: "
            "clip the counts to 1, or begin with a layer",
        )


def check_pool(pool: object) -> None:
    """Raise unless ``pool`` says where max poolings on currents go: ``after`` their neurons, or None, nowhere."""
    known = pool is None or (isinstance(pool, str) and pool == "after")
    require(known, f"pool is {pool!r}; give 'after', or leave it out")
