"""What every stage may ask of a neuron model; how it moves is each executor's own (their ``neurons`` folders)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Union

from ir.arithmetic import Arithmetic
from ir.arrays import Array
from ir.check import check_per_neuron
from ir.chip import Chip, IntFormat
from ir.formats import Excess, Formats, RegisterFormats
from ir.schedule import Schedule

PLACE_BYTES = 16
"""What a core of Loihi 2 has for a neuron's states and parameters: of its 192 KB at most 128 KB hold synapses (Intel
2021), which leaves 64 KB for 4,096 neurons."""


class Neuron(ABC):
    """The trained parameters of a population's neurons: floats, seconds.

    Attributes:
        MODEL: the model's name in ``ir.neurons.MODELS`` and in the table of each executor.
        STATES: what a neuron keeps from one time step to the next; a trace may record each by name, and ``v`` is one.
            Of the model, or of a population where their number is a parameter.
        FLAGS: those of the states that are 0 or 1 and so have no edge.
        PER_NEURON: parameters that are one number or one a neuron (or None).
        FEED_FORWARD: whether it has no meaning on a cycle.
        refractory: at most one spike a time step.
    """

    MODEL: ClassVar[str]
    STATES: tuple[str, ...]
    FLAGS: ClassVar[tuple[str, ...]] = ()
    PER_NEURON: ClassVar[tuple[str, ...]]
    FEED_FORWARD: ClassVar[bool] = False
    refractory: bool

    @property
    @abstractmethod
    def fires(self) -> bool:
        """Whether it ever spikes; what does not is read out by its membrane."""

    @abstractmethod
    def refusal(self, schedule: Schedule) -> str | None:
        """Why ``schedule`` does not define such neurons, and the way out; None = it does."""

    def check_size(self, who: str, n: int) -> None:
        """Raise unless its numbers are those of a population of ``n`` neurons; ``who``: the population, in words."""
        check_per_population(who, n, self)

    def stepping(self, ratio: float, lags: bool = False) -> Neuron:
        """The same neuron where a time step is ``ratio`` times as long; what is in seconds stays as it is.

        Args:
            lags: of a filter, keep by how many seconds it is late, half a time step more than its time constant; so
                what an input adds to it over all time stays as well.
        """
        return self

    @property
    def code(self) -> float | None:
        """What the receivers of its spikes must share to read them; None = they are plain spikes."""
        return None

    @property
    def quantum(self) -> Array | float:
        """What a spike carries of a weight, one number or one a neuron: a chip's integer spikes carry it in weights."""
        return 1.0

    @property
    def graded(self) -> bool:
        """Whether its spikes carry unlike numbers, so that a trace tells each one's."""
        return False

    @abstractmethod
    def to_fixed(self, scale: Array | float, dt_s: float, formats: Formats) -> FixedNeuron:
        """The one rule that rounds its numbers.

        Args:
            scale: weight mantissa units a trained unit; one a neuron where the model's numbers may be.

        Raises:
            ValueError: no chip has such neurons.
        """

    @abstractmethod
    def scaled_numbers(self, formats: Formats) -> list[tuple[Array, IntFormat]]:
        """Numbers that share the weights' scale, in weight units or those of their format, and that format."""

    @abstractmethod
    def decays(self, dt_s: float) -> list[Array]:
        """The share of each state that one time step takes away."""

    @abstractmethod
    def lost_in(self, fixed: FixedNeuron) -> list[str]:
        """What rounding to ``fixed`` lost, and the way out, one sentence each."""

    def with_threshold_times(self, factor: Array | float) -> Neuron | None:
        """The same with another threshold; None where there is none to search."""
        return None

    def with_memory_times(self, factor: float, dt_s: float) -> Neuron | None:
        """The same with a longer membrane memory; None where it forgets nothing, or everything."""
        return None


class FixedNeuron(ABC):
    """A population's neurons in a chip's integers.

    Attributes:
        MODEL, STATES, FLAGS, PER_NEURON, FEED_FORWARD: as of :class:`Neuron`.
        refractory: at most one spike a time step.
    """

    MODEL: ClassVar[str]
    STATES: tuple[str, ...]
    FLAGS: ClassVar[tuple[str, ...]] = ()
    PER_NEURON: ClassVar[tuple[str, ...]]
    FEED_FORWARD: ClassVar[bool] = False
    refractory: bool

    @property
    @abstractmethod
    def fires(self) -> bool:
        """Whether it ever spikes."""

    @property
    @abstractmethod
    def due(self) -> bool:
        """Whether something (a bias, a current) arrives at k = depth of every time step, empty frames too."""

    @abstractmethod
    def refusal(self, schedule: Schedule) -> str | None:
        """Why ``schedule`` does not define such neurons, and the way out; None = it does."""

    def check_size(self, who: str, n: int) -> None:
        """:meth:`Neuron.check_size`."""
        check_per_population(who, n, self)

    @property
    def code(self) -> float | None:
        """:attr:`Neuron.code`."""
        return None

    def chip_refusal(self, chip: Chip) -> str | None:
        """Why ``chip`` has no such neurons, and the way out; None = it has."""
        return None

    @property
    def payload_bits(self) -> int:
        """Bits behind the point of what a spike carries: the sum of a projection is shifted right by them."""
        return 0

    @property
    def carries(self) -> int:
        """The most that one spike carries: how often it delivers its neuron's weights; 1 for a plain spike."""
        return 1

    @property
    def rounds_payloads(self) -> bool:
        """Whether its own microcode shifts sums of graded spikes right by the bits behind their point.

        These then arrive whole: no weight is shifted before they are added up.
        """
        return False

    @property
    def graded(self) -> bool:
        """:attr:`Neuron.graded`."""
        return self.carries > 1

    @property
    def places(self) -> int:
        """How many neurons of a core one of these takes (``PLACE_BYTES``): a LIF is one."""
        return 1

    @property
    def updates(self) -> float:
        """What its update in a time step takes, in those of a LIF: two products, for its current and its membrane."""
        return 1.0

    @property
    def adds_changes(self) -> bool:
        """Whether what it adds up are changes, which take each other back and which no input bounds.

        Then no worst case says anything: a run counts where a sum leaves its register.
        """
        return False

    def drive_shift(self, arithmetic: Arithmetic) -> int:
        """How far left a sum of weights is shifted into the neuron's registers."""
        return arithmetic.weight_shift

    @abstractmethod
    def biased(self) -> Array:
        """() or (n,) bool: neurons that change in every time step though nothing arrives."""

    @abstractmethod
    def settings(self) -> tuple[Union[Array, int], ...]:
        """What neurons share who share one of a core's configurations; not the threshold, not the bias."""

    @abstractmethod
    def threshold_setting(self) -> Union[Array, int]:
        """What neurons share who share one of a core's thresholds."""

    @abstractmethod
    def excesses(self, who: str, formats: RegisterFormats, arithmetic: str) -> list[Excess]:
        """Parameters that registers of these formats do not hold."""

    @abstractmethod
    def worst_current(self, at_once: Array, in_all: Array, n_steps: float, arithmetic: Arithmetic) -> Array:
        """The largest value on the way to the membrane, (n,) register units, to be compared with the edge of u.

        Args:
            at_once: (n,) the most that one forward step brings.
            in_all: (n,) the most that one time step brings.
            n_steps: time steps at most.
        """


def check_per_population(who: str, n: int, neuron: Neuron | FixedNeuron) -> None:
    """Raise unless every parameter of ``PER_NEURON`` is one number, one of each of n neurons, or None."""
    for name in neuron.PER_NEURON:
        value = getattr(neuron, name)
        if value is not None:
            check_per_neuron(f"{name} of {who}", value, n)
