"""What a chip can hold, as data: limits, number formats, mesh, costs; each number with its source."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from ir.arithmetic import ARITHMETICS, DECAY_ALL
from ir.check import INT32, check_choice, check_type, check_words, require, whole
from ir.clockless import CLOCKLESS_COSTS, Clockless

MOST = 1 << 40
"""No limit of a chip is larger: sums of them stay inside 64 bits."""

COSTS = (
    *("synop_dense_pj", "synop_sparse_pj", "synop_conv_pj", "neuron_inactive_pj", "neuron_active_pj"),
    *("spike_out_pj", "packet_out_pj", "hop_x_pj", "hop_y_pj"),
    *("synop_dense_ns", "synop_sparse_ns", "synop_conv_ns", "neuron_inactive_ns", "neuron_active_ns"),
    *("spike_out_ns", "packet_out_ns", "packet_in_ns", "hop_x_ns", "hop_y_ns", "barrier_ns"),
)
"""What a chip's events take: energy in pJ, time in ns."""

LINK_COSTS = ("chip_link_pj", "chip_link_ns")
"""What a packet takes more where a hop leaves a chip; a file may leave it out, which says as much as unknown."""


@dataclass(frozen=True)
class IntFormat:
    """A set of integers: ``lo, lo + step, ..., hi``.

    >>> IntFormat(-256, 254, 2).n_values
    256
    """

    lo: int
    hi: int
    step: int = 1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            whole(f"{name} of an integer format", value, *INT32)
        require(self.step > 0 and self.lo <= self.hi, f"integer format {self.lo}..{self.hi} step {self.step} is empty")

    @property
    def n_values(self) -> int:
        return (self.hi - self.lo) // self.step + 1


@dataclass(frozen=True)
class Limits:
    """What one core holds.

    Attributes:
        max_neurons: neurons.
        max_synapse_words: words of synaptic memory.
        synapse_word_bits: bits a word.
        max_input_axons: distinct sources that send to the core.
        max_output_axons: (source, target core) pairs that leave the core.
        max_neuron_configs: different (decay_u, decay_v, refractoriness) settings.
        max_thresholds: different thresholds.
        max_delay_steps: longest delay.
    """

    max_neurons: int
    max_synapse_words: int
    synapse_word_bits: int
    max_input_axons: int
    max_output_axons: int
    max_neuron_configs: int
    max_thresholds: int
    max_delay_steps: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            whole(f"chip limit {name}", value, 0 if name == "max_delay_steps" else 1, MOST)


@dataclass(frozen=True)
class SynapseFormat:
    """How synapses lie in a core's memory.

    A source's list on a core is cut into parts of at most ``list_length`` synapses, so that it takes the fewest words;
    a part costs ``header_bits``, and weight, index and delay bits a synapse, and begins at a new word. ``delay_bits``
    are needed where a projection has delays.

    Attributes:
        index_bits: of a synapse in a list with gaps.
        dense_index_bits: of a synapse in a list without gaps (a dense layer, zero weights stored).
        weight_bits: encodings there are, ascending.
        shared_kernels: 1 = a core stores a convolution's kernel once, as a list of output channels for each input
            channel and tap, without indices; 0 = a weight a synapse.
    """

    header_bits: int
    list_length: int
    index_bits: int
    delay_bits: int
    weight_bits: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8)
    dense_index_bits: int = 0
    shared_kernels: int = 0

    def __post_init__(self) -> None:
        for name in ("header_bits", "index_bits", "delay_bits", "dense_index_bits"):
            whole(f"synapse format {name}", getattr(self, name), 0, MOST)
        whole("synapse format list_length", self.list_length, 1, MOST)
        whole("synapse format shared_kernels, 0 or 1,", self.shared_kernels, 0, 1)
        bits = self.weight_bits
        check_type("synapse format weight_bits", bits, tuple, "a tuple of whole numbers")
        for n in bits:
            whole("one of synapse format weight_bits", n, 1, 64)
        rising = len(bits) > 0 and all(a < b for a, b in pairwise(bits))
        require(rising, f"synapse format weight_bits is {bits}; give positive numbers that rise")


@dataclass(frozen=True)
class Mesh:
    """Routers in a grid, ``cores_per_tile`` cores at each; several chips in a grid on a board."""

    width: int
    height: int
    cores_per_tile: int
    usable_cores: int
    chips_x: int = 1
    chips_y: int = 1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            whole(f"chip mesh {name}", value, 1, MOST)
        places = self.width * self.height * self.cores_per_tile
        require(
            self.usable_cores <= places,
            f"chip mesh has {self.usable_cores} usable cores on {places} places",
        )

    @property
    def n_cores(self) -> int:
        """Usable cores on the whole board."""
        return self.usable_cores * self.chips_x * self.chips_y


@dataclass(frozen=True)
class Range:
    """A constant with its uncertainty, in its unit: ``low <= value <= high``."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        for name, number in vars(self).items():
            check_type(f"{name} of a range", number, (int, float), "a number")
        ordered = 0 <= self.low <= self.value <= self.high < inf
        require(ordered, f"range 0 <= {self.low} <= {self.value} <= {self.high} < inf does not hold")


CHIP_KINDS = ("barrier", "clockless")
"""``barrier``: all cores meet at the end of a tick, as Loihi's; ``clockless``: an event that arrives is worked on."""

PARTS: dict[str, type] = {
    "name": str,
    "title": str,
    "limits": Limits,
    "synapse_format": SynapseFormat,
    "mesh": Mesh,
    "weight": IntFormat,
    "threshold": IntFormat,
    "decay": IntFormat,
    "bias": IntFormat,
    "asynchronous": bool,
    "per_neuron_threshold": bool,
    "arithmetic": str,
}
"""What the fields of a chip are."""


@dataclass(frozen=True)
class Chip:
    """A chip as data.

    Attributes:
        weight, threshold, decay, bias: the formats of the numbers the chip stores.
        bias_exp_max, weight_exp: exponents it can shift by, (least, most).
        asynchronous: whether its neurons could run the asynchronous schedule.
        per_neuron_threshold: whether thresholds are free a neuron.
        arithmetic: profile name in ``ir.arithmetic``.
        costs: energy (pJ) and time (ns) constants by name: all of ``cost_names``, or none; perhaps ``LINK_COSTS``.
        sources: for each dotted name of a number, where it comes from.
        kind: one of ``CHIP_KINDS``.
        clockless: what a core without a barrier takes its time by; None where there is one.
        unknown: dotted names of what nobody has published, each with what is known of that; a value stands in for
            it, and :meth:`need` refuses it.
    """

    name: str
    title: str
    limits: Limits
    synapse_format: SynapseFormat
    mesh: Mesh
    weight: IntFormat
    threshold: IntFormat
    decay: IntFormat
    bias: IntFormat
    bias_exp_max: int
    weight_exp: tuple[int, int]
    asynchronous: bool
    per_neuron_threshold: bool
    arithmetic: str
    costs: dict[str, Range] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    kind: str = "barrier"
    clockless: Clockless | None = None
    unknown: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kind in PARTS.items():
            check_type(f"{name} of a chip", getattr(self, name), kind, f"a {kind.__name__}")
        check_words("the sources of a chip", self.sources)
        check_type("the costs of a chip", self.costs, dict, "ranges by name")
        for name, cost in self.costs.items():
            check_type(f"cost {name!r}", cost, Range, "a Range")
        check_choice(f"arithmetic of chip {self.name!r}", self.arithmetic, ARITHMETICS)
        for name in ("weight", "threshold", "decay", "bias"):
            form = getattr(self, name)
            holds_0 = form.lo <= 0 <= form.hi and form.lo % form.step == 0
            require(holds_0, f"the {name} format {form.lo}..{form.hi} step {form.step} lacks 0; include it")
        low, high = self.decay.lo, self.decay.hi
        require(0 <= low and high <= DECAY_ALL, f"the decay format is {low}..{high}; decays lie in 0..{DECAY_ALL}")
        whole("bias_exp_max", self.bias_exp_max, 0, 31)
        check_type("weight_exp", self.weight_exp, tuple, "two whole numbers")
        require(len(self.weight_exp) == 2, f"weight_exp has {len(self.weight_exp)} numbers; give two")
        low, high = (whole("one of weight_exp", x, *INT32) for x in self.weight_exp)
        require(low <= 0 <= high, f"weight_exp is {low}..{high}; give the least, at most 0, and the most, at least 0")
        check_words("what is unknown of a chip", self.unknown)
        self._check_kind()
        known = (*self.cost_names, *(LINK_COSTS if self.kind == "barrier" else ()))
        for name in self.costs:
            require(name in known, f"there is no cost {name!r}; use {', '.join(known)}")
        lacks = [name for name in self.cost_names if name not in self.costs and f"costs.{name}" not in self.unknown]
        require(not self.costs or not lacks, f"it lacks costs {', '.join(lacks)}; give all, or none")

    def _check_kind(self) -> None:
        check_choice(f"the kind of chip {self.name!r}", self.kind, CHIP_KINDS)
        check_type("the core of a chip", self.clockless, (Clockless, type(None)), "a Clockless or None")
        has = self.clockless is not None
        require(
            has == (self.kind == "clockless"),
            f"chip {self.name!r} is {self.kind} and {'has' if has else 'lacks'} the numbers of a clockless core",
        )

    @property
    def cost_names(self) -> tuple[str, ...]:
        """The constants that a chip of this kind is priced by."""
        return COSTS if self.kind == "barrier" else CLOCKLESS_COSTS

    def lacking(self, *parts: str) -> list[str]:
        """The numbers of the tables ``parts`` that are unknown."""
        return [name for name in self.unknown if name.split(".")[0] in parts]

    def need(self, what: str, *parts: str) -> None:
        """Raise where a number of the tables ``parts`` is unknown.

        Args:
            what: who needs it, as the subject of "needs".

        Raises:
            ValueError: the first of them, what is known of it, and the way out.
        """
        lacks = self.lacking(*parts)
        if lacks:
            known, more = self.unknown[lacks[0]], f" and {len(lacks) - 1} more" if lacks[1:] else ""
            raise ValueError(
                f"{what} needs {lacks[0]}{more}, which nobody has published for {self.title} ({known}); "
                "give your own number in a copy of its file"
            )
