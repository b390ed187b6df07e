"""What a training is fed with: a data set by name, a folder of one's own, or data that were given in Python."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol, Union

import numpy as np

from exchange import npz
from ir.check import FormatError
from ir.stimulus import Stimulus
from stimuli.data_sets import DATA_SETS, load
from stimuli.own.data import Data, open_data
from stimuli.own.folder import is_folder
from stimuli.own.options import table_of
from trainer.config import TrainConfig

Samples = Union[Stimulus, Data]
"""All frames at once, or batches that are read when they are needed."""


class Kind(Protocol):
    """What a network needs to know of its data."""

    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def dt_s(self) -> float: ...
    @property
    def n_classes(self) -> int: ...


def kind_of(config: TrainConfig) -> Kind:
    """What the network of a configuration is built for.

    Raises:
        FormatError: it is of data that were given in Python.
    """
    if config.data in DATA_SETS:
        return DATA_SETS[config.data]
    if not is_folder(config.data):
        raise FormatError(f"data is {config.data!r}, which only Python can give; ul.train(config, out, data=...)")
    return open_data(config.data, Path(config.root) if config.root else None, "train", config.data_options, npz)


def training_data(config: TrainConfig, given: Samples | None) -> tuple[TrainConfig, Samples, Kind]:
    """The data of a training, its kind, and the configuration that says so.

    Args:
        given: instead of ``config.data``'s; a stimulus has its shape, :class:`Data` their own.

    Raises:
        FormatError: the data are absent or bad, or a label is none of the classes.
    """
    if isinstance(given, Data):
        config = replace(config, data=given.name, root="", data_options=table_of(given.options))
    kind = given if isinstance(given, Data) else kind_of(config)
    stamps = config.schedule.input != "first" and not config.encoder  # spikes of an encoder have no stamps
    if isinstance(given, Stimulus):
        data: Samples = given
    elif isinstance(kind, Data):
        data = kind.select(slice(config.limit)) if config.limit else kind
        data = data.stamped() if stamps else data
        data = data.stimulus() if data.fits else data
    else:
        data = load(config.data, config.root or None, "train", config.limit or None, stamps, npz)
    check_data(data, config, kind)
    return config, data, kind


def check_data(data: Samples, config: TrainConfig, kind: Kind) -> None:
    """Raise unless every label is a class of the data, and a chip's integers are fed with whole counts."""
    first = data.read(np.arange(1), range(1)) if isinstance(data, Data) else data
    if config.weight_bits and not config.encoder and first.frames.dtype.kind == "f":
        raise FormatError(
            f"data set {config.data!r} is a current, and a chip's integers (weight_bits) take whole counts; "
            "train on a rate coded one, in floats, or with an encoder on the host (encoder = 1)"
        )
    found = np.zeros(0, np.int64) if first.labels is None else np.asarray(first.labels)  # Data checks its own
    wrong = found[(found < 0) | (found >= kind.n_classes)]
    if len(wrong):
        raise FormatError(
            f"a sample is labelled {wrong[0]}; data set {config.data!r} has classes 0 to {kind.n_classes - 1}"
        )
