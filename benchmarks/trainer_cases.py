"""What ``trainer.py`` measures: networks, their input and their schedules."""

from __future__ import annotations

from dataclasses import dataclass

from ir.schedule import Schedule

REPEATS = 5
N_CLASSES = 10
PAPER = (2312, 64, 64, 64, N_CLASSES)
WEIGHT_GAIN = 2.0
"""Times PyTorch's first weights: the paper's network then fires about 650 times a sample."""


@dataclass(frozen=True)
class Case:
    """A network, its input and its schedule.

    Attributes:
        layers: sizes from input to output; ``conv``: instead two convolutions and a dense layer on (2, 34, 34).
        active: share of inputs that are 1 in a time step.
        reference_turns: how often the reference engine runs; 0 = left out.
        layered: the layered schedule; snnTorch's, too.
    """

    name: str
    layers: tuple[int, ...] = PAPER
    conv: bool = False
    batch: int = 256
    n_steps: int = 10
    group: int | None = 8
    order: str = "random"
    active: float = 0.045
    gain: float = WEIGHT_GAIN
    reference_turns: int = 2
    layered: bool = False

    def schedule(self) -> Schedule:
        """The schedule of the step."""
        return Schedule("layered") if self.layered else Schedule(F=self.group, order=self.order)  # type: ignore[arg-type]


MAIN = Case("paper", reference_turns=REPEATS)
WIDE = (
    Case("F=1", group=1, reference_turns=1),
    Case("F=64", group=64),
    Case("F=all", group=None),
    Case("batch=1", batch=1),
    Case("batch=32", batch=32),
    Case("momentum", order="momentum"),
    Case("fifo", order="fifo"),
    Case("conv", conv=True, batch=32),
    Case("layered", layered=True),
    Case("layered.steps=100", (70, 64, N_CLASSES), batch=50, n_steps=100, layered=True),
    Case("layered.steps=1000", (70, 64, N_CLASSES), batch=50, n_steps=1000, layered=True),
)
GROWTH = tuple(
    Case(f"neurons={n}", (256, n, n, N_CLASSES), batch=16, group=64, gain=4.0, reference_turns=0)
    for n in (64, 256, 1024, 4096)
)
