"""Lists of pins turned around and renamed, compiled."""

from __future__ import annotations

import numpy as np

from ir.kernels import kept_on_disk


@kept_on_disk
def transpose_pins(start, target, cursor):
    """List the nets of each vertex; ``cursor`` holds where each vertex's list begins and is used up."""
    net = np.empty(target.size, np.int32)
    for e in range(start.size - 1):
        for i in range(start[e], start[e + 1]):
            v = target[i]
            net[cursor[v]] = e
            cursor[v] += 1
    return net


@kept_on_disk
def renamed_pins(start, target, nets, name):
    """Reorder the nets and rename their targets; return the new start and target."""
    new_start = np.zeros(start.size, np.int64)
    new_target = np.empty(target.size, np.int32)
    n = 0
    for i in range(nets.size):
        for j in range(start[nets[i]], start[nets[i] + 1]):
            new_target[n] = name[target[j]]
            n += 1
        new_start[i + 1] = n
    return new_start, new_target
