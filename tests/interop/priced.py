"""``make priced``: three networks on SANA-FE's Loihi and on ours: spikes, events, energy, time from the same constants.

Networks are drawn from a seed; the seed, the spikes, the placement, SANA-FE's version and its figures are files in
``figures``, so that the tests compare without it. ``--write`` makes them anew where SANA-FE has its environment.
SANA-FE is GPL and stays a program of its own: it is handed a network and hands back figures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from ir.check import TargetError
from ir.connection import Connection, Conv2d, Dense, Sparse, synapses
from ir.graph import slices
from ir.neurons import FixedLIF
from ir.schedule import Schedule
from ir.trace import Trace
from mapper.cost import Cost, Events, count_events, delivered, estimate
from mapper.cost.estimate import work_of_busiest
from sim_reference.simulate import run
from tests.interop.compare import ROOT
from tests.interop.priced_networks import CASES, CONSTANTS, TICKS, Case, Place, made

LAYERED = Schedule(kind="layered", F=None)
FIGURES = Path(__file__).with_name("figures")
Table = dict[str, Any]


def numbered(place: Place) -> int:
    """A core as SANA-FE numbers those of its chip: tiles column by column, four cores each."""
    x, y, slot = place
    return (x * 4 + y) * 4 + slot


def described(case: Case) -> Table:
    """What ``sana_fe.py`` reads."""
    network, frames = case.mapped.network, case.stimulus.frames[:, 0]
    kinds: dict[type[Connection], str] = {Dense: "dense", Conv2d: "conv", Sparse: "sparse"}
    groups: list[Table] = [
        {
            "name": network.inputs[0].name,
            "core": [numbered(case.inputs_at)] * network.n_inputs,
            "spikes": [np.flatnonzero(train).tolist() for train in frames.T],
        }
    ]
    cores, start = np.array([numbered((c.x, c.y, c.slot)) for c in case.mapped.cores]), 0
    for p in network.populations:
        lif = p.neuron
        assert isinstance(lif, FixedLIF)
        groups.append({
            "name": p.name,
            "core": cores[case.mapped.core_of_neuron[start : start + p.n]].tolist(),
            "threshold": float(np.asarray(lif.v_threshold)),
            "leak": (4096 - int(np.asarray(lif.decay_v))) / 4096,
        })  # fmt: skip
        start += p.n
    edges: list[Table] = []
    for e in network.projections:
        pre, post, weight = synapses(e.connection)
        pairs = np.stack([pre, post], 1).tolist()
        kind = kinds[type(e.connection)]
        edges.append({"pre": e.pre, "post": e.post, "kind": kind, "pairs": pairs, "weights": weight.tolist()})
    return {"ticks": len(frames), "groups": groups, "edges": edges}


@dataclass(frozen=True, eq=False)
class Ours:
    """Our run, its events and its cost.

    Attributes:
        held: ticks in which a neuron that gets no charge still holds a membrane, all neurons together.
        to_own_core: copies of spikes for the core that they come from.
    """

    trace: Trace
    events: Events
    cost: Cost
    held: int
    to_own_core: int

    def with_differences_pj(self) -> float:
        """Our energy with SANA-FE's two other ways of counting: such neurons are active, such copies are packets."""
        update = CONSTANTS["neuron_active_pj"] - CONSTANTS["neuron_inactive_pj"]
        return self.cost.energy_pj.value + self.held * update + self.to_own_core * CONSTANTS["packet_out_pj"]


SENDING = ("neuron_active", "neuron_inactive", "spike_out")
"""What a core does to send; the rest is receiving."""


def side_by_side_ns(case: Case, events: Events) -> float:
    """Time where the busiest core receives and sends side by side, as SANA-FE's cores do; ours do it in turn."""
    assert case.mapped.chip is not None
    ns = {name: case.mapped.chip.costs[f"{name}_ns"].value for name in ("barrier", *work_of_busiest(events))}
    taken = {name: ns[name] * n for name, n in work_of_busiest(events).items()}
    sent = sum(taken[name] for name in SENDING)
    slower = max(sent, sum(taken.values()) - sent)
    return slower + ns["barrier"] * events.time_steps


def ours(case: Case) -> Ours:
    """The layered schedule, a tick a time step."""
    network, core = case.mapped.network, case.mapped.core_of_neuron
    trace = run(network, case.stimulus, LAYERED, record=("v",))
    reached = delivered(network, trace, case.stimulus)
    inputs = case.stimulus.frames.sum((0, 1))
    events = count_events(case.mapped, np.concatenate([trace.counts.sum(0), inputs]), TICKS, reached)
    assert case.mapped.chip is not None and trace.v is not None
    touched, own = np.zeros((TICKS, network.n_neurons), bool), 0
    fired = fired_by_tick(trace)
    at = slices(network.populations)
    for e in network.projections:
        pre, post, _ = synapses(e.connection)
        from_input = e.pre not in at
        source = case.stimulus.frames[:, 0] if from_input else fired[:, at[e.pre]]
        source = np.roll(source, 1, 0) if e.pre == e.post else source  # looks back; the last tick is empty
        there = scipy.sparse.csr_matrix((np.ones(len(pre)), (pre, post)), (e.connection.n_pre, e.connection.n_post))
        touched[:, at[e.post]] |= (source.astype(float) @ there) > 0
        if not from_input:
            places = core[at[e.post]][post] == core[at[e.pre]][pre]
            own += int(fired[:, at[e.pre]].sum(0)[np.unique(pre[places])].sum())
    assert np.array_equal(touched.sum(0), reached.charged)
    before = np.concatenate([np.zeros((1, network.n_neurons), bool), trace.v[:-1, 0] != 0])
    seen = [(before & ~touched)[: TICKS - depth - 1, at[p.name]].sum() for depth, p in enumerate(network.populations)]
    return Ours(trace, events, estimate(events, case.mapped.chip), int(sum(seen)), own)


def fired_by_tick(trace: Trace) -> np.ndarray:
    """(T, N) of one sample."""
    assert trace.spikes is not None
    fired = np.zeros((trace.forward_steps.shape[0], trace.n_neurons), bool)
    fired[trace.spikes.t, trace.spikes.neuron] = True
    return fired


def spikes_by_tick(case: Case, trace: Trace) -> dict[str, list[list[int]]]:
    """Spikes as a chip with a tick a hop shows them: a population of depth l is l + 1 ticks behind its frame."""
    found = {"in": [np.flatnonzero(frame).tolist() for frame in case.stimulus.frames[:, 0]]}
    fired = fired_by_tick(trace)
    for depth, (name, at) in enumerate(slices(case.mapped.network.populations).items()):
        rows = [np.flatnonzero(row).tolist() for row in fired[:, at]]
        found[name] = [[]] * (depth + 1) + rows[: TICKS - depth - 1]
    return found


def theirs(names: list[str]) -> dict[str, Table]:
    """SANA-FE's figures of networks, from its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            (Path(folder) / f"{name}.json").write_text(json.dumps(described(made(name))))
        child = [ROOT / "sanafe" / "bin" / "python", Path(__file__).with_name("sana_fe.py"), folder]
        done = subprocess.run(child, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise TargetError(f"SANA-FE failed: {last}; build its environment anew with tests/interop/environments.sh")
        found = {name: json.loads((Path(folder) / f"{name}.out.json").read_text()) for name in names}
    for name, table in found.items():
        table |= {"seed": CASES[name][1], "placement": placement(made(name))}
    return found


def placement(case: Case) -> Table:
    """Which core holds what, as it is written down."""
    cores = [[c.x, c.y, c.slot] for c in case.mapped.cores]
    return {"cores": cores, "core_of_neuron": case.mapped.core_of_neuron.tolist(), "inputs": list(case.inputs_at)}


def recorded(name: str) -> Table:
    """What SANA-FE said when the figures were written."""
    return json.loads((FIGURES / f"{name}.json").read_text())


def differences(run: Ours, theirs: Table) -> dict[str, tuple[float, float]]:
    """Ours and theirs of each event, the two explained differences taken out; all are equal."""
    e = run.events
    return {
        "synapses": (e.synops_dense + e.synops_sparse + e.synops_conv, theirs["synapses"]),
        "active": (e.active + run.held, theirs["active"]),
        "spikes": (e.spikes, theirs["spikes"]),
        "packets": (e.packets + run.to_own_core, theirs["packets"]),
        "input_packets": (e.input_packets, theirs["input_packets"]),
        "hops_x": (e.hops_x, theirs["hops_x"]),
        "hops_y": (e.hops_y, theirs["hops_y"]),
    }


def told(case: Case, theirs: Table) -> bool:
    """Print one network; whether spikes, events and energy agree."""
    run = ours(case)
    equal = spikes_by_tick(case, run.trace) == theirs["fired"]
    counts = differences(run, theirs)
    spikes = sum(len(row) for rows in theirs["fired"].values() for row in rows)
    total, time = run.cost.energy_pj.value, run.cost.time_ns.value
    print(
        f"{case.name}: {spikes} spikes {'equal' if equal else 'DIFFER'}; "
        + ", ".join(f"{name} {int(b)}{'' if a == b else f' (ours {int(a)})'}" for name, (a, b) in counts.items())
    )
    print(
        f"  explained: {run.held} updates of neurons that hold charge and get none, {run.to_own_core} copies to the "
        f"own core\n  energy {total / 1e6:.3f} uJ, SANA-FE {theirs['energy_pj']['total'] / 1e6:.3f}: "
        f"x {total / theirs['energy_pj']['total']:.3f}, with the explained "
        f"x {run.with_differences_pj() / theirs['energy_pj']['total']:.6f}; time {time / 1e3:.1f} us, SANA-FE "
        f"{theirs['time_ns'] / 1e3:.1f}: x {time / theirs['time_ns']:.3f}, receiving beside sending "
        f"x {side_by_side_ns(case, run.events) / theirs['time_ns']:.3f}"
    )
    return equal and all(a == b for a, b in counts.values())


def has_sana_fe() -> bool:
    """Whether ``environments.sh`` has built its environment."""
    return (ROOT / "sanafe" / "ready").exists()


def main() -> int:
    """Compare with the figures written down, and those with SANA-FE itself where it is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the figures anew")
    options = parser.parse_args()
    good = True
    if has_sana_fe():
        fresh = theirs(list(CASES))
        for name, table in fresh.items():
            if options.write:
                FIGURES.mkdir(exist_ok=True)
                (FIGURES / f"{name}.json").write_text(json.dumps(table) + "\n")
            same = recorded(name) == table
            print(f"{name}: SANA-FE {table['version']} says {'what is written down' if same else 'OTHER figures'}")
            good &= same
    else:
        print(f"no environment for SANA-FE under {ROOT}; make one with tests/interop/environments.sh sanafe")
    return 0 if all([told(made(name), recorded(name)) for name in CASES]) and good else 1


if __name__ == "__main__":
    sys.exit(main())
