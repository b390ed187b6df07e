"""What a word on the command line stands for: a chip, a network, a stimulus."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from exchange import npz
from exchange.chip_toml import CHIPS
from exchange.npy import load_npy
from exchange.pieces import Pieces, in_pieces, open_pieces
from ir.arrays import Ints, magnitudes
from ir.check import FormatError, check_type, require
from ir.chip import Chip
from ir.mapped import MappedNetwork, one_large_core
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from ir.words import counted
from sim_reference.compare.in_pieces import Whole
from stimuli.own.data import Data, open_data
from stimuli.own.folder import FOLDER, is_folder
from stimuli.own.form import EVENTS

Samples = Union[Stimulus, Data]
"""All frames at once, or own samples that are read when they are needed."""

AnyNetwork = Union[Network, QuantizedNetwork, MappedNetwork]
MAX_ARRAY_BYTES = 16 << 30
NETWORKS = (Network, QuantizedNetwork, MappedNetwork)


def chip_names() -> list[str]:
    """The chips that ship with the package."""
    return sorted(path.stem for path in CHIPS.glob("*.toml"))


def chip_file(name: str | None) -> Path | None:
    """The file that a word for a chip names; None for one that ships with the package."""
    return Path(name) if name is not None and name.endswith(".toml") else None


def open_network(path: Path, as_: str | None = None, dt_s: float | None = None, pool: str | None = None) -> AnyNetwork:
    """A network from a train folder, a file of ours, or a foreign file (``.nir``, ``.onnx``, ``.net``).

    A train folder's integers are preferred where it was trained on a chip's grid.
    """
    if path.is_dir():
        given = [f"{flag} {value}" for flag, value in (("--as", as_), ("--dt", dt_s)) if value is not None]
        if given:
            raise FormatError(f"{given[0]} has no meaning for a train folder; only NIR leaves the time step open")
        return npz.load(network_file(path), NETWORKS)
    from exchange.open import open_network as open_file

    return open_file(network_file(path), as_, dt_s, pool)


def network_file(path: Path) -> Path:
    """The file that holds a network: itself, or the one in a train folder.

    Raises:
        FormatError: it is not there.
    """
    if path.is_dir():
        for name in ("quantized.npz", "network.npz"):
            if (path / name).exists():
                return path / name
        raise FormatError(f"folder {path} holds no network.npz; name the folder that `unlayered train --out` wrote")
    if not path.exists():
        raise FormatError(f"{path} does not exist; check the path")
    return path


def open_trace(path: Path) -> Pieces | Whole:
    """A trace from a file, or in pieces from a folder; of the latter nothing large is read yet."""
    return open_pieces(path) if in_pieces(path) else Whole(npz.load(path, Trace))


def open_stimulus(
    data: str,
    root: Path | None = None,
    split: str = "test",
    samples: int | None = None,
    options: Any = None,
    stamps: bool = False,
) -> Samples:
    """A data set by name, frames from a file, or own recordings from ``folder:PATH``.

    Args:
        options: how own recordings become frames: ``DataOptions`` or a table of its keys.
        stamps: keep each event's time stamp, for who takes events in their order (:func:`takes_stamps`).
    """
    if is_folder(data):
        own = open_data(data, root, split, options, npz)
        own = own.stamped() if stamps else own
        return own if samples is None else own.select(slice(samples))
    if options:
        raise FormatError(f"--data-option has no meaning for {data!r}; it is for folder:PATH")
    if Path(data).is_dir() and Path(data).suffix not in (".npz", ".npy"):
        raise FormatError(f"{data} is a folder; for recordings of your own give folder:{data}")
    if Path(data).suffix in (".npz", ".npy") or Path(data).exists():
        stimulus = read_frames(Path(data))
        return stimulus if samples is None else stimulus.select(slice(samples))
    from stimuli.data_sets import load

    return load(data, root, split, samples, stamps, npz)


def takes_stamps(schedule: Schedule, on: str = "") -> bool:
    """Whether a run takes the events of a frame in the order of their time stamps, as training does."""
    return on == "clockless" or (schedule.kind == "asynchronous" and schedule.input != "first")


def path_of(data: str, root: Path | None = None) -> Path:
    """The file or folder that a word for data may name."""
    return (root or Path()) / data.removeprefix(FOLDER) if is_folder(data) else Path(data)


def read_frames(path: Path) -> Stimulus:
    """Frames of counts from a stimulus of ours, or from a plain ``.npy``.

    A plain array is (T, N) or (T, C, H, W) for one sample, (T, B, N) or (T, B, C, H, W) for a batch.
    """
    if path.suffix != ".npy":
        stimulus = npz.load(path, Stimulus)
        _check_filled(stimulus.frames, path)
        return stimulus
    array = load_npy(path, MAX_ARRAY_BYTES)
    if array is None:
        raise FormatError(f"{path} does not exist; check the path")
    try:
        return Stimulus(_whole(_batched(array, path)))
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error


def _batched(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """(T, B, N) from the shapes that are in use."""
    if array.dtype.kind not in "biuf" or array.ndim not in (2, 3, 4, 5):
        raise FormatError(
            f"{path} holds {array.dtype} of shape {array.shape}; give numbers as (T, B, N), (T, B, C, H, W), "
            "or one sample as (T, N), (T, C, H, W)"
        )
    if array.ndim in (2, 4):
        array = array[:, None]
    _check_filled(array, path)
    return array.reshape(*array.shape[:2], -1)


def _check_filled(frames: NDArray[Any], path: Path) -> None:
    if frames.size == 0:
        raise FormatError(f"{path} is empty (shape {frames.shape}); give at least one time step, sample and input")


def _whole(array: NDArray[Any]) -> NDArray[Any]:
    """Counts stored as floats become integers; real numbers stay."""
    if array.dtype.kind != "f" or not float(np.abs(array).max(initial=0)) < 2**31:
        return array
    return array.astype(np.int32) if bool((array == np.floor(array)).all()) else array


def input_counts(stimulus: Stimulus) -> Ints:
    """(inputs,) events of each input, all samples together."""
    inputs = magnitudes(stimulus.frames).sum((0, 1), dtype=np.float64)
    return np.rint(inputs).astype(np.int64)


def path_at(who: str, value: Any) -> Path:
    """A path; raises unless it is one."""
    check_type(who, value, (str, os.PathLike), "a path")
    return Path(value)


def frozen_network(value: Any) -> AnyNetwork:
    """The network itself.

    Raises:
        ValueError: it is none; says what to give instead.
    """
    way = "give its frozen network, .export()" if hasattr(value, "export") else "give a network"
    require(isinstance(value, NETWORKS), f"a {type(value).__name__} is no frozen network; {way}")
    return value


def check_samples(value: Any, who: str) -> None:
    """Raise unless these are samples."""
    check_type(who, value, (Stimulus, Data), "ul.Stimulus(frames) of an array (T, B, N), or what ul.data returns")


def whole_stimulus(samples: Samples, who: str) -> Stimulus:
    """All samples at once.

    Raises:
        ValueError: they are none.
    """
    check_samples(samples, who)
    return samples.stimulus() if isinstance(samples, Data) else samples


def check_width(stimulus: Samples, n_inputs: int, data: str) -> None:
    """Raise unless these are samples whose frames fit the network's inputs."""
    check_samples(stimulus, data)
    width = stimulus.frames.shape[2] if isinstance(stimulus, Stimulus) else stimulus.n_inputs
    if width != n_inputs:
        formed = "" if isinstance(stimulus, Stimulus) else ", or the same data.toml and --data-option as in training"
        raise ValueError(
            f"{data} has {counted(width, 'input')} a frame, the network has {n_inputs}; choose data of its size{formed}"
        )


def other_time_steps(samples: Samples, dt_s: float) -> list[str]:
    """A line where own events were binned in other time steps than the network's; frames and files have no clock."""
    if isinstance(samples, Stimulus) or samples.form.kind != EVENTS or abs(samples.dt_s - dt_s) <= 1e-6 * dt_s:
        return []
    return [
        f"{samples.name} is binned in time steps of {samples.dt_s * 1e3:g} ms, the network has {dt_s * 1e3:g} ms: "
        f"--data-option window_us={round(dt_s * 1e6)}, or window_us in data.toml, makes them one"
    ]


def plain_network(network: AnyNetwork) -> Network | QuantizedNetwork:
    """The network without addresses."""
    return network.network if isinstance(network, MappedNetwork) else network


def mapped_of(network: AnyNetwork, chip: Chip) -> MappedNetwork:
    """The network as a target runs it: as mapped, or its integers on one large core."""
    if isinstance(network, MappedNetwork):
        return network
    if isinstance(network, Network):
        from mapper.quantize import quantize

        network = quantize(network, chip)
    return one_large_core(network)
