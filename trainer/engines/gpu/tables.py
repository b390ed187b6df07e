"""A network's links as what the kernels read: one row of weights a source, each with the stretch that it reaches."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from ir.connection import Conv2d, Dense
from trainer.engines.parts import Link, apply_link
from trainer.engines.plan import Plan


def by_source(link: Link, weight: Tensor) -> Tensor:
    """(n_pre, n_post) weights of a link, gradients attached."""
    c = link.connection
    if isinstance(c, Dense):
        return weight.t()
    if isinstance(c, Conv2d):
        return apply_link(link, weight, torch.eye(c.n_pre, dtype=weight.dtype, device=weight.device))
    post = torch.as_tensor(np.repeat(np.arange(c.n_post), np.diff(c.indptr)), device=weight.device)
    pre = torch.as_tensor(np.asarray(c.indices, np.int64), device=weight.device)
    return weight.new_zeros(c.n_pre, c.n_post).index_put((pre, post), weight, accumulate=True)


def table_of(plan: Plan, weights: list[Tensor], like: Tensor) -> Tensor:
    """(N, N) weights between neurons, a row a source; parallel links add. ``like``: number type and device."""
    n = plan.n_neurons
    table = like.new_zeros(n, n)
    for link, weight in zip(plan.links, weights):
        if not link.from_input:
            around = (link.post.start, n - link.post.stop, link.pre.start, n - link.pre.stop)
            table = table + functional.pad(by_source(link, weight), around)
    return table


def reach_of(plan: Plan) -> np.ndarray:
    """(N, 2) int32: the stretch of targets that each source reaches; empty where it reaches none."""
    reach = np.zeros((plan.n_neurons, 2), np.int32)
    for link in plan.links:
        if not link.from_input:
            rows = reach[link.pre]
            empty = rows[:, 0] == rows[:, 1]
            rows[:, 0] = np.where(empty, link.post.start, np.minimum(rows[:, 0], link.post.start))
            rows[:, 1] = np.where(empty, link.post.stop, np.maximum(rows[:, 1], link.post.stop))
    return reach


def first_drive(plan: Plan, weights: list[Tensor], frames: Tensor) -> Tensor:
    """(T, B, N) what the whole frames bring at k = 0; large products, left to PyTorch."""
    x = frames.flatten(0, 1)
    drives: dict[int, Tensor] = {}
    for link, weight in zip(plan.links, weights):
        if link.from_input:
            part = apply_link(link, weight, x[:, link.pre])
            before = drives.get(link.post.start)
            drives[link.post.start] = part if before is None else before + part
    sizes = {p.at.start: p.at.stop - p.at.start for p in plan.parts}
    rows = [drives.get(at, x.new_zeros(len(x), size)) for at, size in sizes.items()]
    return torch.cat(rows, 1).reshape(*frames.shape[:2], plan.n_neurons)
