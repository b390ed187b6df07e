"""``unlayered train``: from a configuration to a train folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ir.check import TargetError
from unlayered.completing import chips, offered
from unlayered.console import show, table
from unlayered.options import DataOption, F, InputRule, Json, Kind, Order, Out, Root, ScheduleFlags

if TYPE_CHECKING:
    from trainer.config import TrainConfig

PRESETS = (
    "A configuration that ships: digits, digits-layered, digits-order-free, motions, spiking-gamma-digits, "
    "spiking-gamma-coincidence, spiking-gamma-shd, spiking-gamma-nmnist, nmnist, nmnist-sparse, nmnist-any-order, shd, "
    "dvsgesture or cifar10."
)
SET = "Any key of a configuration, KEY=VALUE, e.g. learning_rate=3e-4 (docs/configuration.md); may be repeated."
Preset = Annotated[
    str | None,
    typer.Option("--preset", help=PRESETS, autocompletion=offered("trainer.config", "preset_names")),
]
Bits = Annotated[int | None, typer.Option("--bits", help="Train on a chip's integers: 8, 6, 4, 3 or 2; 0 = floats.")]
Chip = Annotated[str | None, typer.Option("--chip", help="Whose integers, with --bits.", autocompletion=chips)]
Start = Annotated[
    Path | None, typer.Option("--start", help="Go on from this network: a file of any format, or a train folder.")
]


def train(
    out: Out,
    config: Annotated[Path | None, typer.Argument(help="A TOML file (docs/configuration.md).")] = None,
    preset: Preset = None,
    start: Start = None,
    data: Annotated[str | None, typer.Option("--data", help="Another data set than the configuration's.")] = None,
    root: Root = None,
    data_option: DataOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped run left off.")] = False,
    schedule: Kind = None,
    f: F = None,
    order: Order = None,
    input_rule: InputRule = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Train this long.")] = None,
    bits: Bits = None,
    chip: Chip = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of everything random.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Use only N training samples.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu or cuda; the engine follows it.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help=SET)] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard event files.")] = False,
    as_json: Json = False,
) -> None:
    """Train a network and leave network.npz, metrics, configuration and checkpoints in a folder.

      unlayered train --preset digits --out net
      unlayered train --preset digits --epochs 5 --seed 1 --out net1
      unlayered train my.toml --out net2 --resume
      unlayered train --preset nmnist --root DIR --out net3
      unlayered train own.toml --data folder:recordings --out own
      unlayered train --start net --data digits --order fifo --input queued --epochs 6 --out tuned
      unlayered train --start net --data digits --bits 3 --epochs 5 --set rate_schedule=cosine --out tuned

    With --start alone all other keys have their defaults.
    Ctrl-C and SIGTERM stop at once and keep the last whole epoch's checkpoint; the same command with --resume goes on
    bit for bit. torchrun --nproc-per-node 2 -m unlayered train ... trains in two processes (docs/scale.md).
    Without --resume a run begins anew; an earlier one in the folder stays whole until the new one's first
    checkpoint takes its place.
    """
    from stimuli.own.options import options_of_words
    from trainer.said import said_to

    chosen = _chosen(config, preset, start)
    asked = {"data": data, "root": root and str(root), "epochs": epochs, "seed": seed, "limit": limit}
    asked |= {"device": device, "start": start and str(start), "weight_bits": bits, "chip": chip}
    said = options_of_words(data_option or ())
    changes: dict[str, Any] = {"data_options": {**chosen.data_options, **said}} if said else {}
    changes["schedule"] = ScheduleFlags(schedule, f, order, input=input_rule).on(chosen.schedule)
    changes |= {name: value for name, value in asked.items() if value is not None}
    chosen = said_to(replace(chosen, **changes, tensorboard=tensorboard or chosen.tensorboard), set_ or ())
    if _fitted(chosen, out, resume, as_json):
        _tell(out, as_json)


def _fitted(chosen: TrainConfig, out: Path, resume: bool, as_json: bool) -> bool:
    """Train, watched; returns whether this process speaks: under torchrun the first one does so for all."""
    from trainer.fit import train as fit
    from trainer.processes import join, rank
    from unlayered.interruption import go_on, how_to_go_on
    from unlayered.training import TrainingBar, kept_of_earlier, way_on

    go_on(kept_of_earlier(out, resume))
    try:
        join()
        with TrainingBar(f"training on {chosen.data}", chosen.epochs, as_json or rank() > 0) as bar:
            fit(chosen, out, resume, bar.report, kept=lambda epochs: go_on(way_on(out, epochs)))
    except TargetError as error:
        raise TargetError(f"{error}{how_to_go_on()}") from error
    return rank() == 0


def _tell(out: Path, as_json: bool) -> None:
    """The last epochs, and the best one."""
    from unlayered.training import history

    metrics = history(out)
    best = max(metrics, key=lambda m: m["accuracy"])
    columns = ("epoch", "loss", "accuracy", "density", "latency", "samples_per_s")
    rows = [[m[name] for name in columns] for m in metrics[-5:]]
    last = f"best epoch {best['epoch']}: validation accuracy {best['accuracy']:.3f}; wrote {out}"
    show({"out": str(out), "best": best, "history": metrics}, as_json, table("Last epochs", columns, rows), last)


def _chosen(config: Path | None, preset: str | None, start: Path | None) -> TrainConfig:
    """The configuration that a training begins with: a file's, a preset, or the defaults with --start."""
    from trainer.config import TrainConfig, preset_names, read_toml
    from trainer.config import preset as preset_config

    if (config is not None and preset is not None) or (config is preset is start is None):
        raise ValueError(f"give a configuration file, --preset (one of {', '.join(preset_names())}) or --start")
    if config is not None:
        return read_toml(config)
    return TrainConfig() if preset is None else preset_config(preset)
