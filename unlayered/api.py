"""What ``import unlayered as ul`` offers beside the classes: one function for each thing that a user does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from exchange import npz
from exchange.chip_toml import find_chip, shipped_chips
from exchange.open import WRITERS
from ir.check import INT32, FormatError, check_type, require, whole
from ir.chip import Chip
from ir.encoder import spikes_of
from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.state import State
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.trace_parts import join
from stimuli.own.data import Data, data_of
from stimuli.own.options import DataOptions
from unlayered.execute import RunOptions, execute, pieces_of, ready_for
from unlayered.sources import (
    AnyNetwork,
    Samples,
    check_width,
    frozen_network,
    open_network,
    open_stimulus,
    path_at,
    plain_network,
    whole_stimulus,
)

if TYPE_CHECKING:
    from torch import nn

    from sim_reference.compare import Divergence, Statistics
    from trainer import SpikingNetwork, TrainConfig
    from unlayered.causes.value import Diff

ENDINGS = ", ".join(f".{name}" for name in WRITERS)

Progress = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""


def train(config: TrainConfig | str, out: str | Path, resume: bool = False, data: Any = None) -> SpikingNetwork:
    """Train a network; ``out`` gets ``network.npz``, checkpoints and metrics (docs/training.md).

    Args:
        config: a configuration, or the name of a preset.
        resume: go on from the last checkpoint in ``out``.
        data: training data instead of the configuration's: what :func:`data` takes or returns, with labels.

    Returns:
        The trained module; ``.export()`` gives the frozen :class:`Network` that everything else takes.
    """
    from trainer import TrainConfig, preset
    from trainer import train as run_training

    chosen = preset(config) if isinstance(config, str) else config
    check_type("the configuration", chosen, TrainConfig, "the name of a preset, or a TrainConfig")
    check_type("resume", resume, bool, "True or False")
    given = None if data is None else data if isinstance(data, Data) else _labelled(data, chosen)
    return run_training(chosen, path_at("out", out), resume, stimulus=given)


def _labelled(value: Any, config: TrainConfig) -> Data:
    """Training data from whatever :func:`data` takes."""
    options = config.data_options
    if isinstance(value, (str, Path)):
        value = open_stimulus(str(value), None, "train", None, options)
    return value if isinstance(value, Data) else data_of(value, options)


def data(
    source: Any,
    split: str = "test",
    samples: int | None = None,
    root: str | Path | None = None,
    options: DataOptions | Mapping[str, Any] | None = None,
    stamps: bool = False,
) -> Samples:
    """Read a data set by name, frames from a ``.npy`` or ``.npz`` file, or data of your own (docs/data.md).

    Args:
        source: a name or file gives a :class:`Stimulus`. ``folder:PATH``, a torch Dataset or DataLoader, or a list of
            pairs (frames or events, label) gives :class:`Data`, which is read when it is needed.
        split: which part of a data set or folder.
        samples: only so many; None = all.
        root: where recordings lie; None = the folder in ``UNLAYERED_DATA``.
        options: how own data become frames, e.g. ``{"window_us": 5000}``, or ``options`` of another part's.
        stamps: keep each event's time stamp: input that is ``paced`` or ``queued``, and a chip without a barrier, then
            take events in their order, as training does.
    """
    samples = None if samples is None else whole("samples", samples, 1, INT32[1])
    check_type("options", options, (DataOptions, Mapping, type(None)), "a DataOptions, or a table of its keys")
    check_type("stamps", stamps, bool, "True or False")
    folder = None if root is None else path_at("root", root)
    if isinstance(source, (str, Path)):
        return open_stimulus(str(source), folder, split, samples, options, stamps)
    own = data_of(source, options)
    return own if samples is None else own.select(slice(samples))


def chips() -> dict[str, Chip]:
    """The chips that ship with the package, by name: limits, formats, costs and the sources of each number."""
    return {chip.name: chip for chip in shipped_chips()}


def map(
    network: AnyNetwork,
    chip: Chip | str | Path = "loihi2",
    weight_bits: int = 8,
    rates: ArrayLike | None = None,
    preset: str = "default",
    seed: int = 0,
    calibrate: Samples | None = None,
) -> MappedNetwork:
    """Quantize where still needed, partition under a chip's limits, place on its mesh.

    Args:
        chip: a name, a chip file, or a :class:`Chip`.
        rates: (N + inputs,) spikes a time step of each neuron, then of each input; None = the calibration's, or equal.
        calibrate: some training samples; they guide the search of scales and thresholds, and tell the rates.
        preset: how long to search: ``fast``, ``default`` or ``quality``.

    Raises:
        CapacityError: a neuron or the network does not fit; says what would.
    """
    from mapper import map_network

    target = chip if isinstance(chip, Chip) else find_chip(chip)
    plain = plain_network(frozen_network(network))
    if calibrate is not None:
        from unlayered.calibration import integers_of

        stimulus = whole_stimulus(calibrate, "the calibration")
        check_width(stimulus, plain.n_data, "the calibration")
        made = integers_of(plain, target, weight_bits, spikes_of(plain, stimulus), _silent)
        plain, rates = made.network, made.rates if rates is None else rates
    return map_network(plain, target, weight_bits, rates, preset, seed, alternatives=shipped_chips())


def run(
    network: AnyNetwork,
    stimulus: Samples,
    schedule: Schedule | None = None,
    on: str = "reference",
    progress: Progress | None = None,
    state: State | None = None,
    keep_state: bool = False,
) -> Trace:
    """Run a network and record every spike.

    Floats run in the trainer's engine (E0). Integers run on ``reference`` (E2), ``trainer`` (E1) or ``lava`` (E3), with
    the same spikes; for Lava, floats are quantized for Loihi 2 first. ``clockless`` (E4) times a network on a chip
    without a barrier, for which floats take SENECA's integers: ``trace.timing``, ``trace.spikes.ps``.

    Args:
        schedule: None = the one the network was trained for.
        on: the executor.
        state: where the samples go on from: ``trace.state`` of the time steps before; None = they begin.
        keep_state: leave ``trace.state``, for a run of the time steps that follow, on this or another executor.
    """
    check_width(stimulus, plain_network(frozen_network(network)).n_data, "the stimulus")
    check_type("keep_state", keep_state, bool, "True or False")
    require(progress is None or callable(progress), "progress is no function; give f(samples done, samples in all)")
    options = RunOptions(state=state, keep_state=keep_state)
    ready = ready_for(network, on, options)
    chosen = plain_network(network).schedule if schedule is None else schedule
    pieces = pieces_of(stimulus, _silent if progress is None else progress)
    return join([execute(ready, piece, chosen, on, options, tick) for piece, tick in pieces])


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


def compare(a: Trace, b: Trace) -> Divergence | None:
    """Find the first event in which two runs of the same samples differ; None where they are equal, spike for spike."""
    from sim_reference.compare.divergence import first_divergence

    return first_divergence(a, b)


def diff(a: AnyNetwork | Trace, b: AnyNetwork | Trace, stimulus: Samples | None = None, on: str = "reference") -> Diff:
    """Say how far two runs are apart, where they part first, and why (docs/diff.md).

    Args:
        a: a network, which is run on ``stimulus``, floats as E0, integers on the executor ``on``; or a trace.
        b: what it is held to, likewise.
        stimulus: the samples; those that a trace holds are taken. None = both are traces.

    Raises:
        ValueError: the two are not of the same samples and neurons, or a network has nothing to run on.
    """
    from unlayered.causes.pair import diff_of
    from unlayered.causes.sides import bodies_on, check_data, run_side, sides_of

    given = [(name, x if isinstance(x, Trace) else frozen_network(x)) for name, x in (("a", a), ("b", b))]
    named = sides_of(given, [on])
    check_data(named, None if stimulus is None else "the stimulus")
    named, samples = (named, None) if stimulus is None else bodies_on(named, stimulus, "the stimulus")
    one, other = (run_side(x, samples, _silent, allow_unsafe=True) for x in named)
    return diff_of(one, other, samples, _silent)


def statistics(trace: Trace) -> Statistics:
    """A run in numbers: spikes, density, forward steps, latency, decisions, accuracy (docs/semantics.md)."""
    from sim_reference.compare.statistics import statistics as numbers_of

    return numbers_of(trace)


def open(
    path: str | Path, as_: str | None = None, dt_s: float | None = None, pool: str | None = None
) -> AnyNetwork | Trace | Stimulus | State:
    """Read a train folder, a file of ours, or a network in NIR, ONNX or lava-dl's ``.net``; nothing in it is executed.

    Args:
        as_: the framework that a NIR file came from. dt_s: seconds a time step of a NIR file. pool: ``after`` moves its
            max poolings that stand before their neurons behind them.

    Raises:
        FormatError: missing, damaged, or something without counterpart; one sentence that names the file.
    """
    path = path_at("the path", path)
    if path.suffix == ".npz" and path.is_file() and as_ is None and dt_s is None and pool is None:
        return npz.load(path, (Network, QuantizedNetwork, MappedNetwork, Trace, Stimulus, State))
    return open_network(path, as_, dt_s, pool)


def save(value: Any, path: str | Path) -> None:
    """Write a network, trace, stimulus or state; the ending decides: ``.npz`` (all), ``.nir``, ``.onnx``, ``.net``
    (networks).

    Raises:
        FormatError: the format cannot say what the network holds, or the ending is unknown.
        ValueError: this is no network, and the format holds nothing else.
    """
    path = path_at("the path", path)
    name = path.suffix.removeprefix(".")
    if name != "npz" and name not in WRITERS:
        raise FormatError(f"cannot write {path}: it ends in {path.suffix or 'nothing'!r}; use .npz, {ENDINGS}")
    if name == "npz":
        npz.save(value if isinstance(value, (Trace, Stimulus, State)) else frozen_network(value), path)
    else:
        WRITERS[name](frozen_network(value), path)


def from_snntorch(
    model: nn.Module,
    in_shape: Sequence[int],
    dt_s: float = 1e-3,
    layers: Sequence[nn.Module] | None = None,
    pool: str | None = None,
    encoder: int = 0,
) -> Network:
    """Read a trained snnTorch model: a chain of torch layers and snnTorch neurons (docs/exchange.md).

    Args:
        in_shape: of one frame, e.g. (784,) or (2, 34, 34).
        layers: the order in which the layers act, where it is not that of assignment.
        pool: ``after`` moves max poolings that stand before their neurons behind them.
        encoder: so many of the first populations run on the host, in floats, where the model is fed with currents.
    """
    from trainer.from_snntorch import read

    return read(model, in_shape, dt_s, layers, pool, encoder)


def with_encoder(network: Network, populations: int = 1) -> Network:
    """The same network with its first populations on the host: they take currents, and their spikes feed the rest.

    Raises:
        ValueError: the network cannot be cut there.
    """
    from ir.encoder import with_encoder as cut

    return cut(network, populations)


def coded(stimulus: Samples, code: str, n_steps: int | None = None, threshold: float = 0.1) -> Stimulus:
    """Currents as spikes (docs/data.md): ``rate``, ``latency`` (values 0 to 1), or ``delta`` (changes in time).

    Args:
        n_steps: time steps of the result, where the stimulus is a still image; None = its own.
        threshold: of a delta code: the change that makes a spike.
    """
    from stimuli.coding import coded as in_code

    return in_code(whole_stimulus(stimulus, "the stimulus"), code, n_steps, threshold)
