"""What engines note of LIF neurons, and their numbers as tensors."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ir.neurons import RESETS
from trainer.engines.parts import Facts, NeuronParams, Part


@dataclass(frozen=True)
class LIFFacts(Facts):
    """What engines note of a population of LIF.

    Attributes:
        reset: a name of ``ir.neurons.RESETS``.
        has_current: whether a neuron keeps a current, by the numbers that run.
        pools: a max pooling of spikes.
    """

    reset: str = "zero"
    reset_interval: int = 0
    reset_offset: int = 0
    v_min: float | None = None
    multi_spike: bool = False
    has_current: bool = False
    pools: bool = False

    @property
    def subtract(self) -> bool:
        """Whether it resets by subtraction, at once."""
        return self.reset == "subtract"

    @property
    def waits(self) -> bool:
        """Whether it fires not before k = depth."""
        return RESETS[self.reset].waits

    @property
    def stays(self) -> bool:
        """Whether a spike leaves v where it is: the reset comes at the start of the next time step, or never."""
        return RESETS[self.reset].stays

    def clears(self, t: int) -> bool:
        """Whether u and v are 0 before time step ``t`` (Lava's ``LIFReset``)."""
        return self.reset_interval > 0 and (t + 1) % self.reset_interval == self.reset_offset % self.reset_interval


def lif_facts(part: Part) -> LIFFacts:
    """The facts of a population that is known to be of LIF."""
    assert isinstance(part.facts, LIFFacts)
    return part.facts


@dataclass
class LIFParams(NeuronParams):
    """Numbers of LIF neurons; what carries a gradient is trained.

    Attributes:
        leak_v: (n,) share of the membrane left after a time step (integers: decay_v).
        threshold: (n,); infinite = never fires.
        leak_u: (n,) likewise for the current (integers: decay_u); None = no current memory anywhere.
        bias: (n,) or None.
        bias_u: (n,) of the current, or None.
        unit: (n,) membrane units a trained unit: 1 for floats, ``scale << 6`` for integers.
    """

    leak_v: Tensor
    threshold: Tensor
    leak_u: Tensor | None = None
    bias: Tensor | None = None
    unit: Tensor | None = None
    bias_u: Tensor | None = None
