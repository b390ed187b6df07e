"""The weights of a link in the order in which spikes read them, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ir.connection import Conv2d, Dense
from trainer.engines.compiled.geometry import Ints
from trainer.engines.parts import Link


@dataclass(frozen=True)
class Ends:
    """Where a link's sources and targets stand inside the engine; None = as outside."""

    pre: Tensor | None
    post: Tensor | None


def end(number: Ints) -> Tensor | None:
    """Numbers inside as a tensor."""
    return None if np.array_equal(number, np.arange(len(number))) else torch.as_tensor(number)


@dataclass(frozen=True)
class Layout:
    """How the weights of one link stand in the flat row.

    Attributes:
        size: how many there are; ``order``: of synapses, where each stood; ``pools``: whether those are the windows of
            a max pooling.
    """

    link: Link
    size: int
    ends: Ends
    order: Tensor | None
    pools: bool

    def by_source(self, weight: Tensor) -> Tensor:
        """The weights with those of a source beside each other, in any shape."""
        c = self.link.connection
        if self.pools:
            return weight.reshape(-1)[self.order]
        if isinstance(c, Dense):
            return _moved(_moved(weight.t(), 0, self.ends.pre), 1, self.ends.post)
        if isinstance(c, Conv2d):
            return weight.reshape(c.groups, -1, *weight.shape[1:]).permute(0, 2, 3, 4, 1)
        return weight if self.order is None else weight[self.order]

    def by_link(self, flat: Tensor) -> Tensor:
        """The inverse, in the layout of ``ir.connection`` and memory of its own; 0 where a max pooling reads."""
        c, order = self.link.connection, self.order
        if self.pools:
            return flat.new_zeros(c.weight.shape)
        if isinstance(c, Dense):
            x = flat.view(c.n_pre, c.n_post)
            x = x if self.ends.pre is None else x[self.ends.pre]
            x = x if self.ends.post is None else x[:, self.ends.post]
            return flat.new_empty(c.n_post, c.n_pre).copy_(x.t())
        if isinstance(c, Conv2d):
            c_out, c_group, kh, kw = c.weight.shape
            grouped = flat.reshape(c.groups, c_group, kh, kw, c_out // c.groups)
            return flat.new_empty(c.weight.shape).copy_(grouped.permute(0, 4, 1, 2, 3).reshape(c.weight.shape))
        return flat.clone() if order is None else torch.empty_like(flat).index_copy_(0, order, flat)


def _moved(x: Tensor, axis: int, number: Tensor | None) -> Tensor:
    """``x`` with what stands at i along an axis moved to ``number[i]``."""
    return x if number is None else x.index_select(axis, torch.argsort(number))
