"""What belongs to the training call and is off in every compared run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from ir.check import check_choice, require
from trainer.kinds import check_kinds
from trainer.surrogate import SURROGATES, Own, Slope

SILENT_GRADIENTS = ("slots", "all", "none", "carried", "rest")


@dataclass(frozen=True)
class TrainingOptions:
    """Noise and gradient choices of one training call (design: Koopman et al. 2025, section "training").

    Attributes:
        surrogate: the slope of a spike going backward, ``arctan``, ``fast_sigmoid``, ``sigmoid`` or ``triangular``
            (``trainer.surrogate`` has their equations); in Python also a function of one's own, of the membrane above
            its threshold (B, N), which the plain engine runs.
        alpha: sharpness of the surrogate.
        peak: of the surrogate's slope; 0 = its own: alpha / 2 (arctan), 1, alpha / 4 (sigmoid), 1.
        refractory_dropout: probability that a firing neuron escapes refractoriness.
        momentum_noise: uniform noise up to this is added to the momentum when ranking.
        input_dropout: probability that an input's count of a time step is dropped.
        spike_dropout: probability that a served spike of a neuron is dropped on its way.
        silent_gradient: which silent neurons carry a gradient: those that fill the free ``slots``
            of a forward step, ``all``, or ``none``; ``rest``: all of them in a forward step that leaves a slot free,
            which is where the queue runs dry; ``carried`` is ``slots``, and what no slot asked for when a time
            step ends, a slot of the next may ask for.
    """

    surrogate: str | Own = "arctan"
    alpha: float = 2.0
    peak: float = 0.0
    refractory_dropout: float = 0.0
    momentum_noise: float = 0.0
    input_dropout: float = 0.0
    spike_dropout: float = 0.0
    silent_gradient: str = "slots"

    def __post_init__(self) -> None:
        check_kinds(self)
        check_choice("silent_gradient", self.silent_gradient, SILENT_GRADIENTS)
        for name in ("refractory_dropout", "input_dropout", "spike_dropout"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"{name} is {value}; a probability lies in 0..1")
        noise = self.momentum_noise
        require(0 <= noise < inf, f"momentum_noise is {noise}; it must be at least 0 and finite")
        require(0 < self.alpha < inf, f"alpha is {self.alpha}; it must be positive and finite")
        require(0 <= self.peak < inf, f"peak is {self.peak}; it must be positive and finite, or 0: the surrogate's own")
        if not callable(self.surrogate):
            check_choice("surrogate", self.surrogate, SURROGATES)

    @property
    def slope(self) -> Slope:
        """The gradient of a spike."""
        return Slope(self.surrogate, self.alpha, self.peak)

    @property
    def evaluated(self) -> TrainingOptions:
        """The same in ``eval()``: nothing dropped, no noise; gradients, where asked for, are the same."""
        return replace(
            EVALUATION,
            surrogate=self.surrogate,
            alpha=self.alpha,
            peak=self.peak,
            silent_gradient=self.silent_gradient,
        )


EVALUATION = TrainingOptions()
"""Nothing dropped, no noise."""

ESCAPE, NOISE, INPUT_DROP, SPIKE_DROP = 1, 2, 3, 4
"""Purposes of the random streams derived from a run's seed by ``ir.schedule.stream``."""
