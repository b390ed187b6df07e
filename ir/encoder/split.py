"""Put a network's first layers on the host: the encoder and the body, cut where only one population's spikes pass."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral

from ir.check import check_type, require
from ir.network import Input, Network, Population
from ir.schedule import Schedule

HOST = "host"
"""The body's input: the spikes of the encoder's last population."""


def with_encoder(network: Network, populations: int = 1) -> Network:
    """The same network with its first populations, in order of declaration, as an encoder on the host.

    A population that nothing leads into (one that fires in every time step) goes where it is needed.

    Raises:
        ValueError: more than one population's spikes, or inputs, lead from the first ones to the rest; or back.
    """
    check_type("the network", network, Network, "a network of floats, as it was before it was mapped")
    check_type("populations", populations, Integral, "how many of the first ones run on the host")
    require(network.encoder is None, "the network has an encoder already; give the network as it was before")
    led = {e.post for e in network.projections}
    able = [p for p in network.populations if p.name in led]
    most = len(able) - 1
    require(
        0 < populations <= most,
        f"an encoder of {populations} populations is asked for; the network has {len(able)}, and the output's stays "
        f"behind it: give 1 to {most}",
    )
    first = {p.name for p in able[:populations]}
    last = able[populations - 1]
    free = {p.name for p in network.populations} - {p.name for p in able}
    crossing = {e.pre for e in network.projections if e.post not in first and e.pre in first}
    back = next(
        (e for e in network.projections if e.post in first and e.pre not in first | free | _inputs(network)), None
    )
    past = next((e for e in network.projections if e.post not in first and e.pre in _inputs(network)), None)
    for e, way in ((back, "leads back into the encoder"), (past, "leads past the encoder")):
        require(e is None, f"projection {e.pre if e else ''} -> {e.post if e else ''} {way}; choose another cut")
    require(
        crossing == {last.name},
        f"the spikes of {', '.join(sorted(crossing)) or 'no population'} leave the first {populations} populations; an "
        f"encoder sends those of {last.name!r} alone: choose another number of populations",
    )
    return _cut(network, first, last, free)


def _inputs(network: Network) -> set[str]:
    return {i.name for i in network.inputs}


def _cut(network: Network, first: set[str], last: Population, free: set[str]) -> Network:
    """Both networks, the free populations in each that they lead into."""
    inside = [e for e in network.projections if e.post in first]
    outside = [e for e in network.projections if e.post not in first]
    kept = first | (free & {e.pre for e in inside})
    encoder = Network(
        network.inputs,
        tuple(p for p in network.populations if p.name in kept),
        tuple(inside),
        last.name,
        network.dt_s,
        Schedule(kind="layered", F=None),
    )
    rest = [
        p for p in network.populations if p.name not in first and (p.name not in free or _used(p, outside, network))
    ]
    name = HOST if HOST not in {p.name for p in rest} else f"{HOST}_"
    moved = tuple(replace(e, pre=name) if e.pre == last.name else e for e in outside)
    return replace(
        network, inputs=(Input(name, last.shape),), populations=tuple(rest), projections=moved, encoder=encoder
    )


def _used(p: Population, outside: list, network: Network) -> bool:
    return p.name == network.output or p.name in {e.pre for e in outside}
