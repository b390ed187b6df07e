"""Runs in SANA-FE's own environment: networks of LIF neurons on its Loihi, events, energy and time beside each.

usage: sana_fe.py FOLDER

A file ``NAME.json`` holds ``ticks``; ``groups``, in order: name, ``core`` of each neuron (index on the chip), and
either ``spikes`` (ticks in which each input fires) or ``threshold`` and ``leak``; and ``edges``: pre, post, the kind of
synapse, pairs and weights. ``NAME.out.json`` gets what SANA-FE counted: figures only.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sanafe

Table = dict[str, Any]
SYNAPSES = {"dense": "loihi_dense_synapse", "sparse": "loihi_sparse_synapse", "conv": "loihi_conv_synapse"}
PARTS = ("synapse", "soma", "network", "total")


def built(described: Table, cores: list[Any]) -> Any:
    """The network, on its cores."""
    net = sanafe.Network()
    kind_into = {edge["post"]: edge["kind"] for edge in described["edges"]}
    inputs_on: dict[int, int] = {}
    groups = {}
    for group in described["groups"]:
        name, places = group["name"], group["core"]
        if "spikes" in group:
            made = net.create_neuron_group(name, len(places), log_spikes=True)
            for neuron, core, fires in zip(made.neurons, places, group["spikes"]):
                unit = inputs_on.setdefault(core, 0)  # each input has a unit of its own there
                inputs_on[core] += 1
                train = [t in set(fires) for t in range(described["ticks"])]
                neuron.set_attributes(soma_hw_name=f"loihi_inputs[{unit}]", model_attributes={"spikes": train})
        else:
            values = {"threshold": group["threshold"], "leak_decay": group["leak"], "reset": 0.0, "input_decay": 0.0}
            made = net.create_neuron_group(
                name,
                len(places),
                values,
                default_synapse_hw_name=SYNAPSES[kind_into[name]],
                default_dendrite_hw_name="loihi_dendrites",
                log_spikes=True,
                soma_hw_name="loihi_lif",
            )
        for neuron, core in zip(made.neurons, places):
            neuron.map_to_core(cores[core])
        groups[name] = made
    for edge in described["edges"]:
        weights = {"weight": [float(w) for w in edge["weights"]]}
        groups[edge["pre"]].connect_neurons_sparse(groups[edge["post"]], weights, [tuple(p) for p in edge["pairs"]])
    return net


def figures(described: Table) -> Table:
    """What SANA-FE counts and prices; inputs' own part apart where it tells."""
    arch = sanafe.load_loihi()
    net = built(described, arch.cores())
    chip = sanafe.SpikingChip(arch)
    chip.load(net)
    done = chip.sim(
        described["ticks"],
        timing_model="detailed",
        processing_threads=1,
        spike_trace=True,
        message_trace=True,
    )
    inputs = {group["name"] for group in described["groups"] if "spikes" in group}
    messages = [m for tick in done["message_trace"] for m in tick if not m["placeholder"]]
    from_inputs = [m for m in messages if m["src_neuron_group_id"] in inputs]
    own = [m for m in messages if m["src_neuron_group_id"] not in inputs]
    fired: dict[str, list[list[int]]] = {
        g["name"]: [[] for _ in range(described["ticks"])] for g in described["groups"]
    }
    for t, tick in enumerate(done["spike_trace"]):
        for address in tick:
            name, _, index = str(address).rpartition(".")
            fired[name][t].append(int(index))
    fired_inputs = sum(len(fires) for group in described["groups"] for fires in group.get("spikes", []))
    return {
        "version": version("sanafe"),
        "synapses": done["spikes"],
        "active": done["neurons_updated"] - fired_inputs,
        "spikes": done["neurons_fired"] - fired_inputs,
        "packets": len(own),
        "packets_to_own_core": sum(m["src_core_id"] == m["dest_core_id"] for m in own),
        "input_packets": len(from_inputs),
        "hops_x": sum(abs(m["src_x"] - m["dest_x"]) for m in own),
        "hops_y": sum(abs(m["src_y"] - m["dest_y"]) for m in own),
        "input_hops": sum(m["hops"] for m in from_inputs),
        "energy_pj": {name: done["energy"][name] * 1e12 for name in PARTS},
        "time_ns": done["sim_time"] * 1e9,
        "fired": {name: [sorted(row) for row in rows] for name, rows in fired.items()},
    }


def main() -> None:
    """Run every network of the folder."""
    for path in sorted(Path(sys.argv[1]).glob("*.json")):
        if not path.name.endswith(".out.json"):
            path.with_suffix(".out.json").write_text(json.dumps(figures(json.loads(path.read_text()))))


if __name__ == "__main__":
    main()
