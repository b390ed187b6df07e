"""NIR files (https://neuroir.org): read with a framework's own time step, written so that nothing stays open."""

from __future__ import annotations

from pathlib import Path

from exchange.graph.keys import unknown
from exchange.graph.lower import Lowering
from exchange.graph.nodes import LINEAR, NEURONS, Graph, Node, read_graph
from exchange.graph.sources import SOURCES, Source, Untranslatable
from exchange.nir.lava_dl import lava_dl, quantized
from exchange.nir.own import is_ours, restore, write
from ir.check import FormatError, check_choice
from ir.network import Network
from ir.quantized import QuantizedNetwork

__all__ = ["FRAMEWORKS", "Untranslatable", "problems", "read", "source_of", "write"]

FRAMEWORKS: dict[str, Source] = {**SOURCES, "lava-dl": lava_dl}
"""What ``--as`` accepts."""


def read(
    path: str | Path, as_: str | None = None, dt_s: float | None = None, pool: str | None = None
) -> Network | QuantizedNetwork:
    """Read a ``.nir`` file.

    A file that :func:`write` made says everything and comes back as it was. Any other leaves open how a
    time step is computed: ``as_`` names the framework whose spikes the network shall have.

    Args:
        as_: a key of ``FRAMEWORKS``.
        dt_s: seconds a time step; None = that framework's own.
        pool: ``after`` moves max poolings that stand before their neurons behind them.

    Raises:
        FormatError: damaged, or a node that has no equal here, or ``as_`` is missing.
    """
    if dt_s is not None and not 0 < dt_s < float("inf"):
        raise FormatError(f"dt_s is {dt_s}; give seconds, more than 0")
    graph = read_graph(path)
    try:
        if is_ours(graph) and as_ is None:
            if dt_s is not None:
                raise FormatError(f"--dt {dt_s} has no meaning for a file that says its own time step; leave it out")
            return restore(graph)
        source = source_of(as_)
        for reason, remedy in problems(graph, source, dt_s).values():
            raise Untranslatable(reason, remedy)
        network = Lowering(graph, source, dt_s or source.dt_s, pool).network(f"NIR {graph.version} as {as_}")
        return quantized(network) if as_ == "lava-dl" else network
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error
    except MemoryError as error:
        raise FormatError(f"{path} needs more memory than there is; make the network smaller") from error


def source_of(as_: str | None) -> Source:
    """The named framework's reading of NIR."""
    if as_ is None:
        raise FormatError(
            "NIR does not say how a time step is computed (dt, leak, reset); name the framework it came from: "
            f"--as {'|'.join(FRAMEWORKS)}"
        )
    check_choice("--as", as_, FRAMEWORKS)
    return FRAMEWORKS[as_]


def problems(graph: Graph, source: Source, dt_s: float | None = None) -> dict[str, tuple[str, str]]:
    """For each node that cannot be read, by name: the reason and the remedy."""
    found: dict[str, tuple[str, str]] = {}
    for node in graph.nodes.values():
        problem = _problem(graph, node, source, dt_s or source.dt_s) or _unknown(node)
        if problem is not None:
            found[node.name] = problem
    return found


def _problem(graph: Graph, node: Node, source: Source, dt_s: float) -> tuple[str, str] | None:
    who = f"{node.kind} {node.name!r}"
    beside = node.kind in ("MaxPool1d", "MaxPool2d") and "kernel_size" in node.params  # not NIR's, but clear
    if node.kind in ("Input", "Output", *LINEAR) or beside:
        return None
    if node.kind not in NEURONS:
        return f"{who} is no NIR primitive that this release reads", "replace it by neurons and linear nodes"
    if node.kind in ("I", "LI", "CubaLI") and any(graph.nodes[b].kind != "Output" for b in graph.after(node.name)):
        return (
            f"{who} sends its membrane on; between neurons only spikes travel",
            f"give it a threshold ({node.kind.replace('I', 'IF') if node.kind != 'I' else 'IF'})",
        )
    try:
        source.translate(node, dt_s)
    except Untranslatable as error:
        return f"{who}: {error.reason}", error.remedy
    except ValueError as error:
        return f"{who}: {error}", "correct the file"
    return None


def _unknown(node: Node) -> tuple[str, str] | None:
    """A parameter that no reader knows must not be dropped."""
    extra = unknown(node.kind, node.params)
    if not extra:
        return None
    named = ", ".join(map(repr, extra[:3]))
    reason = f"{node.kind} {node.name!r} has {named}, which NIR does not define for it"
    return reason, "delete it from the file if it means nothing"
