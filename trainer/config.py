"""What a training run is made of: one frozen value, readable from TOML."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from exchange import toml
from ir.arrays import set_field
from ir.check import FormatError, check_choice, require
from ir.neurons import RESETS
from ir.schedule import Schedule
from ir.toml_lines import located
from stimuli.data_sets import NAMES, unknown_data
from stimuli.own.folder import is_folder
from stimuli.own.options import table_of
from stimuli.own.protocol import OWN
from trainer.engines.options import TrainingOptions
from trainer.gamma_options import GammaOptions, check_gamma
from trainer.kinds import AT_LEAST, check_groups, check_kinds, check_together, fits, group_in_file, known
from trainer.optimizers import OPTIMIZERS, SCHEDULES, WITH_MOMENTUM
from trainer.rules import RULES
from trainer.rules.blocks import check_same_bits

LOSSES = ("rate", "count", "membrane", "first_spike", "early")
SHIPPED = Path(__file__).with_name("presets")
MODULES = ("lif", "spiking_gamma")
"""The neurons that a configuration builds, by their models."""

MOST = 1e30
"""Of what enters float32 with a factor."""


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        data: name of a data set, or ``folder:PATH`` for one's own recordings (docs/data.md).
        root: the folder that holds it; what a relative PATH is below.
        data_options: how own recordings become frames; lies over the folder's ``data.toml``.
        layers: layer sizes and kinds from input to output, e.g. ``["64", "64", "10"]`` (dense),
            ``"conv 16 5 stride 2 pad 1"``, ``"avgpool 2"``, ``"sumpool 2"``; neurons follow every layer but a
            pooling, and ``"conv 64 3 pad 1 avgpool 2"`` pools before its neurons; ``"maxpool 2"`` passes on the spikes
            of the neurons before it, by neurons of its own.
        start: file of a network to go on from, of any format that is read, or a train folder: its structure, neurons
            and numbers stand in the place of ``layers``, ``tau_mem_s``, ``v_threshold``, ``reset`` and
            ``initial_density``.
        neuron: of every layer: ``lif``, or ``spiking_gamma`` with the settings of the table ``gamma``.
        encoder: so many of the first layers with neurons run on the host, in floats, and may take currents; 0 = none.
        tau_mem_s: time constant of every population's membranes in seconds, where training begins.
        tau_syn_s: time constant of synaptic currents, in seconds; 0 = none, spikes reach the membrane at once.
        v_threshold: of every population, where training begins.
        reset: of every population: ``zero``, ``subtract``, one step late ``zero_late``, ``subtract_late``, or ``none``.
        schedule: how spikes are served in training and, by default, in every run.
        options: dropouts, noise, gradient choices.
        gamma: buckets and spike rule of SpikingGamma.
        initial_density: scale the initial weights until so many spikes a neuron and time step are fired, layer by
            layer (``trainer.initial``); 0 = torch's own, with which deep or sparsely driven networks stay silent.
        epochs: how often the training data are gone through.
        batch_size: samples a change of the weights.
        truncate: time steps of a change of the weights: backpropagation through time ends there, and the next change
            goes on from the state (memory does not grow with the length of samples); 0 = whole samples.
        optimizer: a name of ``trainer.optimizers.OPTIMIZERS``.
        optimizer_momentum: of ``sgd`` and ``rmsprop``.
        learning_rate: of the optimizer, where training begins (behind the warm-up).
        weight_decay: of the optimizer: the pull of weights, biases and learnt thresholds to 0; of times, none.
        gradient_norm: of a step, all parameters together; longer ones are scaled down; 0 = any.
        rate_schedule: how the learning rate goes on: ``constant``; ``cosine`` or ``linear``, down to ``rate_factor`` of
            itself in the last epoch; ``step``, times ``rate_factor`` after every ``rate_every`` epochs.
        rate_factor: see ``rate_schedule``.
        rate_every: epochs between two steps of the learning rate.
        warmup_epochs: in so many epochs (or parts of one) the learning rate grows from 0.
        f_curriculum: pairs (first epoch, F) that override ``schedule.F``; ``"all"`` (in Python None) serves all.
            Validation is at the last epoch's F.
        f_drawn: values of F to draw from for each batch, ``"all"`` (None) among them or not; under a
            curriculum only from its F up.
        order_drawn: order rules to draw from for each batch, for a network that is to run under any of them.
        order_free: train a network that fires the same spikes under every schedule, order and F: weights between
            populations are never negative, and each neuron begins by following its own of the population before
            (docs/order_free.md).
        order_free_epochs: in so many first epochs alone; then weights between populations may fall below 0 and the
            order counts, by far less than without such a beginning; 0 = in all.
        rule: what turns a batch into a change of the weights, a name of ``trainer.rules.RULES``.
        momentum_noise_decay: the ``momentum_noise`` of an epoch is that of the epoch before times this.
        refractory_dropout_decay: likewise the ``refractory_dropout``, which is 0 wherever the network is run.
        loss: ``rate`` (cross-entropy of spike counts a time step), ``count`` (of the whole sample's), ``membrane``,
            ``first_spike`` (of counts that weigh less from time step to time step), ``early`` (that weigh less, the
            more forward steps their sample has spent before).
        loss_steps: so many last time steps count for the loss, where labels say something of the end alone; 0 = all.
        spike_penalty: added loss for each network spike a neuron and time step, from epoch
            ``spike_penalty_after`` on: a network that does not spike yet would never start.
        spike_penalty_after: the first epoch, from 0, in which spikes cost.
        keep: which network leaves the trainer, of the ``best`` or the ``last`` epoch.
        train_threshold: learn each population's threshold.
        train_tau: learn each population's membrane time constant.
        train_tau_syn: learn each population's synaptic time constant.
        per_neuron: each neuron learns a threshold and time constants of its own.
        partition: file of a mapped network whose cores each get a queue (``schedule.scope``, ``core`` or ``receiver``).
        weight_bits: quantization-aware training on a chip's grid: 8, 6, 4, 3 or 2; 0 = floats.
        chip: whose formats quantization-aware training uses.
        patience: stop after so many epochs without a better validation accuracy; 0 = never.
        validation_share: share of the training data held out.
        shift_px: augmentation, frames move up to this many pixels.
        limit: use at most so many training samples; 0 = all.
        seed: of everything random in training: weights, order of batches, draws.
        same_bits: add up gradients in a fixed order of blocks of 16 samples: any number of processes (``torchrun``) and
            threads then trains the same network to the last bit (docs/scale.md).
        device: where tensors live, ``cpu`` or ``cuda`` (also ``cuda:1``, ...).
        engine: ``auto`` (by the device), ``cpu``, ``gpu`` or ``reference``.
        tensorboard: also write TensorBoard event files.
    """

    data: str = "digits"
    root: str = ""
    data_options: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)
    layers: tuple[str, ...] = ("64", "64", "10")
    start: str = ""
    neuron: str = "lif"
    encoder: int = 0
    tau_mem_s: float = 1e-3
    tau_syn_s: float = 0.0
    v_threshold: float = 0.3
    reset: str = "zero"
    schedule: Schedule = field(default_factory=Schedule)
    options: TrainingOptions = field(default_factory=TrainingOptions)
    gamma: GammaOptions = field(default_factory=GammaOptions)
    initial_density: float = 0.0
    epochs: int = 20
    batch_size: int = 64
    truncate: int = 0
    optimizer: str = "adam"
    optimizer_momentum: float = 0.0
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    gradient_norm: float = 0.0
    rate_schedule: str = "constant"
    rate_factor: float = 0.1
    rate_every: int = 10
    warmup_epochs: float = 0.0
    f_curriculum: tuple[tuple[int, int | None], ...] = ()
    f_drawn: tuple[int | None, ...] = ()
    order_drawn: tuple[str, ...] = ()
    order_free: bool = False
    order_free_epochs: int = 0
    rule: str = "surrogate"
    momentum_noise_decay: float = 1.0
    refractory_dropout_decay: float = 1.0
    loss: str = "rate"
    loss_steps: int = 0
    spike_penalty: float = 0.0
    spike_penalty_after: int = 0
    keep: str = "best"
    train_threshold: bool = False
    train_tau: bool = False
    train_tau_syn: bool = False
    per_neuron: bool = False
    partition: str = ""
    weight_bits: int = 0
    chip: str = "loihi2"
    patience: int = 0
    validation_share: float = 0.1
    shift_px: int = 0
    limit: int = 0
    seed: int = 0
    same_bits: bool = False
    device: str = "cpu"
    engine: str = "auto"
    tensorboard: bool = False

    def __post_init__(self) -> None:
        check_kinds(self)
        learns = not self.train_tau_syn or self.tau_syn_s > 0
        require(learns, "train_tau_syn needs a tau_syn_s above 0 to start from")
        own = is_folder(self.data) or self.data == OWN
        require(own or self.data in NAMES, unknown_data(self.data))
        set_field(self, "data_options", table_of(self.data_options))
        require(
            own or not self.data_options, f"data_options have no meaning for data set {self.data!r}; leave them out"
        )
        check_choice("rule", self.rule, RULES)
        check_choice("neuron", self.neuron, MODULES)
        check_gamma(self)
        check_same_bits(self, RULES[self.rule])
        check_choice("reset", self.reset, tuple(RESETS))
        check_choice("loss", self.loss, LOSSES)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("rate_schedule", self.rate_schedule, SCHEDULES)
        for name in ("optimizer_momentum", "rate_factor", "momentum_noise_decay", "refractory_dropout_decay"):
            require(getattr(self, name) <= 1, f"{name} is {getattr(self, name)}; it lies in 0..1")
        others = self.optimizer in WITH_MOMENTUM or not self.optimizer_momentum
        require(others, f"optimizer {self.optimizer!r} has no optimizer_momentum; leave it out, or use 'sgd'")
        check_choice("keep", self.keep, ("best", "last"))
        check_choice("weight_bits", self.weight_bits, (0, 2, 3, 4, 6, 8))
        check_choice("engine", self.engine, ("auto", "cpu", "gpu", "reference"))
        known_device = re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]?))?", self.device) is not None
        require(known_device, f"device is {self.device!r}; give 'cpu', 'cuda' or 'cuda:N'")
        for name, least in AT_LEAST.items():
            require(getattr(self, name) >= least, f"{name} is {getattr(self, name)}; at least {least}")
        for name in ("learning_rate", "weight_decay", "gradient_norm", "v_threshold", "spike_penalty"):
            require(getattr(self, name) < MOST, f"{name} is {getattr(self, name)}; it must be finite, below {MOST:g}")
        require(self.learning_rate > 0, f"learning_rate is {self.learning_rate}; it must be positive")
        require(0 <= self.initial_density < 1, f"initial_density is {self.initial_density}; it lies in 0..1")
        require(0 <= self.validation_share < 1, f"validation_share is {self.validation_share}; it lies in 0..1")
        check_together(self)
        words = isinstance(self.layers, (tuple, list)) and all(isinstance(word, str) for word in self.layers)
        require(words, f"layers is {self.layers!r}; give a list such as ['64', '10']")
        check_groups(self)
        require(
            isinstance(self.options.surrogate, str),
            "options: a surrogate of your own has no name to be written down; give it to a loop of your own: "
            "net(..., options=TrainingOptions(surrogate=f))",
        )
        together = (self.schedule.scope != "network") == bool(self.partition)
        require(together, "a scope beside 'network' and a partition file belong together; give both or none")
        require(len(self.layers) > 0, "layers is empty; name at least the output layer")

    def f_at(self, epoch: int) -> int | None:
        """Group size of an epoch under the curriculum."""
        f = self.schedule.F
        for first, value in sorted(self.f_curriculum, key=lambda pair: pair[0]):
            f = value if epoch >= first else f
        return f

    def is_order_free(self, epoch: int) -> bool:
        """Whether weights between populations keep their sign in an epoch."""
        return self.order_free and (not self.order_free_epochs or epoch < self.order_free_epochs)

    def options_at(self, epoch: int) -> TrainingOptions:
        """Options of an epoch: the momentum's noise and the refractory dropout decay."""
        noise = self.options.momentum_noise * self.momentum_noise_decay**epoch
        dropout = self.options.refractory_dropout * self.refractory_dropout_decay**epoch
        return replace(self.options, momentum_noise=noise, refractory_dropout=dropout)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def from_dict(values: dict[str, Any], who: str = "config") -> TrainConfig:
    """Build a configuration from plain values.

    Raises:
        FormatError: an unknown key or an unusable value.
    """
    values = known(values, TrainConfig, who)
    schedule = known(values.get("schedule", {}), Schedule, f"{who}: schedule")
    options = known(values.get("options", {}), TrainingOptions, f"{who}: options")
    gamma = known(values.get("gamma", {}), GammaOptions, f"{who}: gamma")
    if "F" in schedule:
        schedule["F"] = group_in_file(schedule["F"])
    rows = {name: values[name] for name in ("layers", "f_drawn", "order_drawn", "f_curriculum") if name in values}
    for name, row in rows.items():
        if not isinstance(row, (list, tuple)):
            raise FormatError(f"{who}: {name} is {row!r}; make it a list")
    lists: dict[str, Any] = {name: tuple(row) for name, row in rows.items()}
    if "layers" in lists:
        lists["layers"] = tuple(str(word) if fits(word, "int") else word for word in lists["layers"])
    if "f_drawn" in lists:
        lists["f_drawn"] = tuple(map(group_in_file, lists["f_drawn"]))
    if "f_curriculum" in lists:
        pairs = [tuple(x) if isinstance(x, (list, tuple)) else (x,) for x in lists["f_curriculum"]]
        lists["f_curriculum"] = tuple((*x[:1], *map(group_in_file, x[1:])) for x in pairs)
    try:
        made: dict[str, Any] = {"schedule": Schedule(**schedule), "options": TrainingOptions(**options)}
        made["gamma"] = GammaOptions(**gamma)
        return TrainConfig(**{**values, **lists, **made})
    except ValueError as error:
        raise FormatError(f"{who}: {error}") from error


def read_toml(path: str | Path) -> TrainConfig:
    """Read a configuration; a group size may be ``"all"``.

    Raises:
        FormatError: no TOML, an unknown key or an unusable value; names file and line.
    """
    values = toml.read_toml(path, "configuration ")
    try:
        return from_dict(values, str(path))
    except FormatError as error:
        raise FormatError(located(str(error), str(path), Path(path).read_text("utf-8-sig"))) from error


def preset_names() -> list[str]:
    """The presets that ship with the package."""
    return sorted(p.stem for p in SHIPPED.glob("*.toml"))


def preset(name: str, **changes: Any) -> TrainConfig:
    """A configuration that ships with the package, with some fields changed."""
    check_choice("preset", name, preset_names())
    return replace(read_toml(SHIPPED / f"{name}.toml"), **known(changes, TrainConfig, "preset"))
