"""A network as the online rules see it: a chain of SpikingGamma layers that ends in a readout."""

from __future__ import annotations

import numpy as np

from ir.check import require
from ir.connection import Dense
from trainer.engines.call import Call
from trainer.engines.parts import Link, Part
from trainer.online.credit import Credit


def layers_of(call: Call) -> list[tuple[Part, Link, int]]:
    """Populations from the input to the readout, each with the projection into it and the number of that.

    Raises:
        ValueError: it is no such chain; says what is in the way.
    """
    plan, rule = call.plan, "credit rules but 'bptt' take"
    parts = sorted(plan.parts, key=lambda p: p.place)
    for p in parts:
        require(
            p.model == "spiking_gamma",
            f"{rule} SpikingGamma alone; population {p.name!r} is of model {p.model!r}: remove it, or use 'bptt'",
        )
    found: list[tuple[Part, Link, int]] = []
    for number, p in enumerate(parts):
        into = [(link, i) for i, link in enumerate(plan.links) if link.post == p.at]
        before = slice(0, plan.n_inputs) if number == 0 else parts[number - 1].at
        chained = len(into) == 1 and into[0][0].pre == before and into[0][0].from_input == (number == 0)
        require(
            chained, f"{rule} a chain of layers; population {p.name!r} is fed by something else than the one before"
        )
        require(
            not np.any(into[0][0].delay), f"{rule} no delays, which buckets stand for; remove those into {p.name!r}"
        )
        found.append((p, *into[0]))
    require(not plan.output_fires, f"{rule} a readout that never fires: train with loss = 'membrane'")
    return found


def trace_bytes(layers: list[tuple[Part, Link, int]], n_buckets: list[int], n_samples: int, itemsize: int) -> int:
    """What traces of all hidden weights take: a number for each synapse (each use of a kernel), bucket and sample."""
    uses = [_uses(link) for _, link, _ in layers[:-1]]
    return sum(n * k * n_samples * itemsize for n, k in zip(uses, n_buckets[1:]))


def exact_trace_bytes(layers: list[tuple[Part, Link, int]], n_buckets: list[int], n_samples: int, itemsize: int) -> int:
    """What exact traces would take: a layer deeper, each of a layer's weights needs a trace through every neuron and
    bucket behind it."""
    total = 0
    for i, (_, link, _) in enumerate(layers[:-1]):
        n = 1
        for (p, _, _), k in zip(layers[i + 1 : -1], n_buckets[i + 1 : -1]):
            n *= p.n * k
        total += _uses(link) * n * n_buckets[-1] * n_samples * itemsize
    return total


def check_traces(name: str, credit: Credit, layers: list[tuple[Part, Link, int]], call: Call) -> None:
    """Raise where a rule with traces must be exact and would not be, or where traces would be a convolution's."""
    if not credit.traces:
        return
    buckets = [_buckets(p) for p, _, _ in layers]
    b, size = call.frames.shape[1], call.params.like.element_size()
    if credit.one_hidden and len(layers) > 2:
        need = exact_trace_bytes(layers, buckets, b, size)
        raise ValueError(
            f"rule {name!r} is exact for one spiking hidden layer, this network has {len(layers) - 1}: exact traces "
            f"would take {_amount(need)} for {b} samples; use 'trace-by-layer', 'all-buckets' or 'bptt'"
        )
    for p, link, _ in layers[:-1]:
        if not isinstance(link.connection, Dense):
            need = trace_bytes(layers, buckets, b, size)
            raise ValueError(
                f"rule {name!r} takes dense projections, the one into {p.name!r} is none: its traces, one for each use "
                f"of a weight, would take {_amount(need)} for {b} samples; use 'all-buckets', 'bucket-0' or 'bptt'"
            )


def _uses(link: Link) -> int:
    """How many synapses a projection's weights make."""
    c = link.connection
    return int(c.weight.size if isinstance(c, Dense) else c.n_post * c.weight[0].size)


def _buckets(part: Part) -> int:
    return int(getattr(part.facts, "n_buckets", 1))


def _amount(n_bytes: int) -> str:
    """Bytes as people read them."""
    unit, names = float(n_bytes), ("bytes", "kB", "MB", "GB", "TB", "PB")
    place = 0
    while unit >= 1000 and place < len(names) - 1:
        unit, place = unit / 1000, place + 1
    return f"{unit:.3g} {names[place]}"
