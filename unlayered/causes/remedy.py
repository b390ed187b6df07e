"""Remedies that were tried: the command against a loss of accuracy, ranked by some samples and judged by others."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Union

from ir.mapped import MappedNetwork
from ir.network import Network
from ir.quantized import QuantizedNetwork
from ir.stimulus import Stimulus
from sim_reference.compare.difference import decided
from unlayered.causes.value import Diff, Remedy
from unlayered.causes.ward import Ward
from unlayered.causes.ways import Way, ways_of, width_of
from unlayered.costs import cost_of_run
from unlayered.sources import chip_names

AnyNetwork = Union[Network, QuantizedNetwork, MappedNetwork]


def remedied(diff: Diff, ward: Ward) -> Diff:
    """The diff with what brought accuracy back on the ranking samples, what keeps bits, chip and cores first.

    Which remedies are told, and in which order, is decided by training samples that none of them saw; what each
    brings back is measured on the test part, which decides nothing.
    """
    if diff.difference.accuracy is None:
        return replace(diff, notes=(*diff.notes, "without labels there is no accuracy to win back"))
    chip = ward.chip
    if chip is None or chip.name not in chip_names():
        said = "no remedy was tried: b is on no chip that ships"
        return replace(diff, notes=(*diff.notes, said))
    before, after = (accuracy(network, ward.held_out) for network in (ward.floats, ward.b))
    if before <= after:
        said = f"b decides as well as a on {ward.held_out.n_samples} held-out samples: no remedy was tried"
        return replace(diff, notes=(*diff.notes, said))
    if not ward.ranking.n_samples:
        said = "no remedy was tried: the training part has too few samples to leave some out of the search"
        return replace(diff, notes=(*diff.notes, said))
    ranked = accuracy(ward.floats, ward.ranking), accuracy(ward.b, ward.ranking)
    tried = [_weighed(ward, way, (before, after), ranked) for way in ways_of(ward, chip, width_of(ward.integers, chip))]
    found = sorted((r for r in tried if r.ranked[2] > r.ranked[1]), key=lambda r: (r.more, -r.ranked[2]))
    notes = () if found else ("none of the remedies that were tried brought accuracy back",)
    return replace(diff, remedies=tuple(found), notes=(*diff.notes, *notes))


def accuracy(network: AnyNetwork, stimulus: Stimulus) -> float:
    """Share of the samples that are decided right."""
    assert stimulus.labels is not None
    return float((decided(_run(network, stimulus)) == stimulus.labels).mean())


def _run(network: AnyNetwork, stimulus: Stimulus) -> Any:
    if isinstance(network, Network):
        from trainer.execute import run as run_floats

        return run_floats(network, stimulus)
    from sim_reference.fast import run

    return run(network, stimulus)


def _weighed(ward: Ward, way: Way, lost: tuple[float, float], ranked: tuple[float, float]) -> Remedy:
    """A way tried, with its effect on both kinds of samples and its cost."""
    begin = time.perf_counter()
    made = way.make()
    seconds = time.perf_counter() - begin
    before, after = lost
    now = accuracy(made, ward.held_out)
    cores = energy = None
    if isinstance(ward.b, MappedNetwork):
        cores = (len(ward.b.cores), len(made.cores))
        costs = [cost_of_run(m, _run(m, ward.held_out), ward.held_out) for m in (ward.b, made)]
        known = [c.energy_pj.value for c in costs if c is not None]
        energy = (known[0], known[1]) if len(known) == 2 else None
    return Remedy(
        command=way.command,
        what=way.what,
        accuracy=(before, after, now),
        recovered=(now - after) / (before - after),
        samples=ward.held_out.n_samples,
        ranked=(*ranked, accuracy(made, ward.ranking)),
        ranking_samples=ward.ranking.n_samples,
        seconds=seconds,
        cores=cores,
        energy=energy,
        more=way.more or (cores is not None and cores[1] > cores[0]),
    )
