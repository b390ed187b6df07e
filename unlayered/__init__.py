"""Train spiking networks with the chip's asynchrony, map them, run them, and prove that nothing changed.

``import unlayered as ul`` gives the names of docs/python.md; each is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ir import Input, Network, Population, Projection, QuantizedNetwork, Schedule, State, Stimulus, Trace
    from sim_reference.compare import Divergence, Statistics
    from stimuli.own.data import Data
    from stimuli.own.options import DataOptions
    from trainer import LIF, SpikingNetwork, TrainableNetwork, TrainConfig, preset, train_on_grid
    from unlayered.api import (
        chips,
        coded,
        compare,
        data,
        diff,
        from_snntorch,
        map,
        open,
        run,
        save,
        statistics,
        train,
        with_encoder,
    )
    from unlayered.causes.value import Diff

WHERE = {
    **dict.fromkeys(("Input", "Network", "Population", "Projection", "QuantizedNetwork"), "ir"),
    **dict.fromkeys(("Schedule", "State", "Stimulus", "Trace"), "ir"),
    **dict.fromkeys(("Divergence", "Statistics"), "sim_reference.compare"),
    "Data": "stimuli.own.data",
    "DataOptions": "stimuli.own.options",
    "Diff": "unlayered.causes.value",
    **dict.fromkeys(("LIF", "SpikingNetwork", "TrainConfig", "TrainableNetwork"), "trainer"),
    **dict.fromkeys(("preset", "train_on_grid"), "trainer"),
    **dict.fromkeys(("chips", "coded", "compare", "data", "diff"), "unlayered.api"),
    **dict.fromkeys(("from_snntorch", "map"), "unlayered.api"),
    **dict.fromkeys(("open", "run", "save", "statistics", "train", "with_encoder"), "unlayered.api"),
}
"""Every public name, and the module that it is loaded from."""

PACKAGES = ("ir", "exchange", "stimuli", "trainer", "mapper", "sim_reference", "targets")
"""What stands beside this package, under names that a user may have, too."""

__all__ = [
    "LIF",
    "Data",
    "DataOptions",
    "Diff",
    "Divergence",
    "Input",
    "Network",
    "Population",
    "Projection",
    "QuantizedNetwork",
    "Schedule",
    "SpikingNetwork",
    "State",
    "Statistics",
    "Stimulus",
    "Trace",
    "TrainConfig",
    "TrainableNetwork",
    "chips",
    "coded",
    "compare",
    "data",
    "diff",
    "from_snntorch",
    "map",
    "open",
    "preset",
    "run",
    "save",
    "statistics",
    "train",
    "train_on_grid",
    "with_encoder",
]


def __getattr__(name: str) -> Any:
    if name not in WHERE:
        raise AttributeError(f"module 'unlayered' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def _check_neighbours() -> None:
    """Raise where a file or folder of the user hides one of our packages.

    Raises:
        ImportError: which file, and the way out.
    """
    home = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        spec = find_spec(name)
        found = None if spec is None else spec.origin or next(iter(spec.submodule_search_locations or ()), None)
        if found is not None and not Path(found).resolve().is_relative_to(home / name):
            raise ImportError(
                f"{found} hides unlayered's own package {name!r}; rename it, or run Python from another folder"
            )


_check_neighbours()
