"""What a training run is made of: one frozen value, readable from TOML."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ir.check import FormatError, check_choice, require
from ir.schedule import Schedule
from trainer.data import NAMES
from trainer.engines.options import TrainingOptions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOSSES = ("rate", "count", "membrane", "first_spike")
PRESETS = Path(__file__).with_name("presets")


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        data: name of a data set; ``root``: its folder.
        layers: layer sizes and kinds from input to output, e.g. ``["64", "64", "10"]`` (dense),
            ``"conv 16 5 stride 2 pad 1"``, ``"avgpool 2"``, ``"sumpool 2"``; neurons follow every layer but a
            pooling, and ``"conv 64 3 pad 1 avgpool 2"`` pools before its neurons.
        tau_mem_s, v_threshold: of every population.
        schedule: how spikes are served in training and, by default, in every run.
        options: dropouts, noise, gradient choices.
        initial_density: scale the initial weights until so many spikes a neuron and time step are fired, layer by
            layer (``trainer.initial``); 0 = torch's own, with which deep or sparsely driven networks stay silent.
        epochs, batch_size, learning_rate, weight_decay: of Adam.
        f_curriculum: pairs (first epoch, F) that override ``schedule.F``; F 0 means all.
        f_drawn: values of F to draw from for each batch (0 means all); overrides the curriculum.
        loss: ``rate`` (cross-entropy of spike counts a time step), ``count`` (of the whole sample's), ``membrane``,
            ``first_spike``.
        spike_penalty: added loss for each network spike a neuron and time step, from epoch
            ``spike_penalty_after`` on: a network that does not spike yet would never start.
        keep: which network leaves the trainer, of the ``best`` or the ``last`` epoch.
        train_threshold, train_tau: learn them.
        partition: file of a mapped network whose cores each get a queue (``schedule.scope = "core"``).
        weight_bits: quantization-aware training on a chip's grid: 8, 4 or 2; 0 = floats.
        chip: whose formats it uses.
        patience: stop after so many epochs without a better validation accuracy; 0 = never.
        validation_share: share of the training data held out.
        shift_px: augmentation, frames move up to this many pixels.
        limit: use at most so many training samples; 0 = all.
        seed: of everything random.
        engine: ``auto``, ``cpu``, ``gpu`` or ``reference``.
        tensorboard: also write TensorBoard event files.
    """

    data: str = "digits"
    root: str = ""
    layers: tuple[str, ...] = ("64", "64", "10")
    tau_mem_s: float = 1e-3
    v_threshold: float = 0.3
    schedule: Schedule = field(default_factory=Schedule)
    options: TrainingOptions = field(default_factory=TrainingOptions)
    initial_density: float = 0.0
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    f_curriculum: tuple[tuple[int, int], ...] = ()
    f_drawn: tuple[int, ...] = ()
    loss: str = "rate"
    spike_penalty: float = 0.0
    spike_penalty_after: int = 0
    keep: str = "best"
    train_threshold: bool = False
    train_tau: bool = False
    partition: str = ""
    weight_bits: int = 0
    chip: str = "loihi2"
    patience: int = 0
    validation_share: float = 0.1
    shift_px: int = 0
    limit: int = 0
    seed: int = 0
    engine: str = "auto"
    tensorboard: bool = False

    def __post_init__(self) -> None:
        check_choice("data", self.data, NAMES)
        check_choice("loss", self.loss, LOSSES)
        check_choice("keep", self.keep, ("best", "last"))
        check_choice("weight_bits", self.weight_bits, (0, 2, 4, 6, 8))
        for name in ("epochs", "batch_size"):
            require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; at least 1")
        require(self.learning_rate > 0, f"learning_rate is {self.learning_rate}; it must be positive")
        require(0 <= self.initial_density < 1, f"initial_density is {self.initial_density}; it lies in 0..1")
        require(0 <= self.validation_share < 1, f"validation_share is {self.validation_share}; it lies in 0..1")
        in_core = self.schedule.scope == "core"
        require(
            in_core == bool(self.partition),
            "scope 'core' and a partition file belong together; give both or none",
        )
        require(len(self.layers) > 0, "layers is empty; name at least the output layer")

    def f_at(self, epoch: int) -> int | None:
        """Group size of an epoch under the curriculum."""
        f = self.schedule.F
        for first, value in sorted(self.f_curriculum):
            f = (value or None) if epoch >= first else f
        return f

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def from_dict(values: dict[str, Any], who: str = "config") -> TrainConfig:
    """Build a configuration from plain values.

    Raises:
        FormatError: an unknown key or an unusable value.
    """
    known = {f.name for f in fields(TrainConfig)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise FormatError(f"{who} has unknown keys {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    values = dict(values)
    try:
        schedule: dict[str, Any] = dict(values.get("schedule", {}))
        if schedule.get("F") == 0:
            schedule["F"] = None
        values["schedule"] = Schedule(**schedule)
        values["options"] = TrainingOptions(**values.get("options", {}))
        values["layers"] = tuple(str(x) for x in values.get("layers", TrainConfig.layers))
        values["f_drawn"] = tuple(int(x) for x in values.get("f_drawn", ()))
        values["f_curriculum"] = tuple((int(a), int(b)) for a, b in values.get("f_curriculum", ()))
        return TrainConfig(**values)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{who}: {error}") from error


def read_toml(path: str | Path) -> TrainConfig:
    """Read a configuration; F = 0 stands for "all"."""
    path = Path(path)
    try:
        return from_dict(tomllib.loads(path.read_text()), str(path))
    except FileNotFoundError as error:
        raise FormatError(f"{path} does not exist; check the path or use --preset") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise FormatError(f"{path} is no TOML file: {error}") from error


def preset_names() -> list[str]:
    """The presets that ship with the package."""
    return sorted(p.stem for p in PRESETS.glob("*.toml"))


def preset(name: str, **changes: Any) -> TrainConfig:
    """A configuration that ships with the package, with some fields changed."""
    check_choice("preset", name, preset_names())
    return replace(read_toml(PRESETS / f"{name}.toml"), **changes)
