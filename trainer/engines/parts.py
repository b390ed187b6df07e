"""A network's structure as engines read it: populations, projections, and the numbers of a neuron model."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ir.connection import Connection, Conv2d, Dense
from trainer.engines.pooling import first_served

Own = TypeVar("Own", bound="NeuronParams")


@dataclass(frozen=True)
class Link:
    """A projection as an engine sees it; its weight travels in ``Params``.

    Attributes:
        from_input: whether ``pre`` indexes inputs (else neurons).
        pre, post: where its ends lie in the global index.
        connection: geometry; the weights in it are those of the plan's making.
        weight_exp: integer networks: shift after the sum.
        delay: time steps beyond the schedule's own, one or one a source.
        recurrent: under the layered schedule it delivers the spikes of t - 1.
        pools: whether it leads into a max pooling.
    """

    from_input: bool
    pre: slice
    post: slice
    connection: Connection
    weight_exp: int
    delay: np.ndarray
    recurrent: bool
    pools: bool = False


@dataclass(frozen=True)
class Facts:
    """What a model notes of one population beside its numbers; a model with more to note has a subclass.

    Attributes:
        due: whether something (a bias, a current) arrives at k = depth of every time step; read off the numbers that
            run, not off those that were trained.
        escapes: whether refractory dropout lets it fire again in a time step; not where it waits for k = depth.
    """

    due: bool = False
    escapes: bool = True


@dataclass(frozen=True)
class Part:
    """A population as an engine sees it.

    Attributes:
        model: its neurons' model, a name of ``trainer.engines.neurons.MODELS``.
        sends: whether it has a projection, whatever the weights; only such entries keep a time step going.
        facts: what its model notes of it.
    """

    name: str
    at: slice
    depth: int
    place: int
    refractory: bool
    sends: bool
    model: str
    facts: Facts

    @property
    def n(self) -> int:
        """How many neurons it has."""
        return self.at.stop - self.at.start


@dataclass
class NeuronParams:
    """The numbers of all neurons of one model, in the order of the global index.

    A model has a subclass; each of its fields is a tensor (n,), or (n, ...) where a neuron has several of them, or None
    where no neuron of the model has such a number.
    """

    def named(self) -> dict[str, Tensor]:
        """Those that are there, by name."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: x for name, x in found.items() if x is not None}

    def to(self: Own, device: torch.device) -> Own:
        """The same numbers on another device."""
        return replace(self, **{name: x.to(device) for name, x in self.named().items()})

    def of(self: Own, at: slice) -> Own:
        """The numbers of some of the model's neurons."""
        return replace(self, **{name: x[at] for name, x in self.named().items()})


def stretches(parts: tuple[Part, ...]) -> list[slice]:
    """Where the populations of one model lie among the model's own neurons."""
    ends = np.cumsum([0, *(p.n for p in parts)]).tolist()
    return [slice(a, b) for a, b in pairwise(ends)]


def apply_link(link: Link, weight: Tensor, s: Tensor) -> Tensor:
    """``a = W s``: s (B, n_pre) -> (B, n_post)."""
    sums = _product(link, weight, s)
    return first_served(s, sums, link.connection) if link.pools and s.requires_grad else sums


def _product(link: Link, weight: Tensor, s: Tensor) -> Tensor:
    c = link.connection
    if isinstance(c, Dense):
        return functional.linear(s, weight)
    if isinstance(c, Conv2d):
        out = functional.conv2d(s.reshape(-1, *c.in_shape), weight, None, c.stride, c.padding, c.dilation, c.groups)
        return out.flatten(1)
    post = torch.as_tensor(np.repeat(np.arange(c.n_post), np.diff(c.indptr)), device=s.device)
    pre = torch.as_tensor(np.asarray(c.indices, np.int64), device=s.device)
    return torch.zeros(s.shape[0], c.n_post, dtype=s.dtype, device=s.device).index_add(1, post, s[:, pre] * weight)
