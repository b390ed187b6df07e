"""What compiled runs of both schedules share: working memory, loops over arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ir.arrays import Array
from sim_reference.compiled.flat import (
    ACC_AT,
    C_OUT,
    HEIGHT_OUT,
    KIND,
    SPARSE,
    WIDTH_OUT,
    FlatNetwork,
)
from sim_reference.compiled.jit import kernel, kernel_inside
from sim_reference.compiled.output import REGISTERS

Int = Any
"""An integer of numpy or Python: compiled code sees no difference."""

INT32, ACCUMULATOR, U, V = 0, 1, 2, 3
"""Where each limit of ``ir.arithmetic.LIMITS`` is counted."""


class Work(NamedTuple):
    """What one worker keeps while it runs a sample.

    ``v``, ``u``, ``late`` (N,), together ``registers`` (3, N); ``x``, ``arriving`` (N,); ``acc`` one number for each
    link and target; ``touched``, ``is_touched`` neurons to update; ``all_touched`` (P,); ``positions``, ``is_position``
    convolution outputs reached; ``rows`` sources of one dense link; ``source``, ``times`` what is being delivered;
    ``n`` lengths: touched, positions, sources; ``flags`` a byte a neuron or input, ``words`` the same memory eight
    bytes at a time; ``found`` where bytes are set, and behind that their words; ``limits``, as they were at the
    sample's start in ``limits_before``; ``next_row`` free for a spike.
    """

    registers: Array
    v: Array
    u: Array
    late: Array
    x: Array
    arriving: Array
    acc: Array
    touched: Array
    is_touched: Array
    all_touched: Array
    positions: Array
    position_link: Array
    is_position: Array
    rows: Array
    source: Array
    times: Array
    n: Array
    flags: Array
    words: Array
    found: Array
    limits: Array
    limits_before: Array
    next_row: Array


N_TOUCHED, N_POSITIONS, N_SOURCES = 0, 1, 2

WORD = 8
"""Flags looked at in one go before any of them is looked at alone."""


def new_work(net: FlatNetwork, max_events: int) -> Work:
    """Empty working memory."""
    n = len(net.threshold)
    n_sources = n + net.n_inputs + max_events

    words = np.zeros(max(n, net.n_inputs) // WORD + 1, np.uint64)
    registers = np.zeros((len(REGISTERS), n), np.int32)

    def zeros(size: int, dtype: Any = np.int64) -> Array:
        return np.zeros(max(size, 1), dtype)

    return Work(
        registers=registers,
        v=registers[0],
        u=registers[1],
        late=registers[2],
        x=zeros(n, np.int32 if net.narrow else np.int64),
        arriving=zeros(n, np.int32),
        acc=zeros(net.n_acc, np.int32 if net.narrow else np.int64),
        touched=zeros(n),
        is_touched=zeros(n, np.bool_),
        all_touched=zeros(len(net.pop), np.bool_),
        positions=zeros(net.n_positions),
        position_link=zeros(net.n_positions),
        is_position=zeros(net.n_positions, np.bool_),
        rows=zeros(n_sources),
        source=zeros(n_sources),
        times=zeros(n_sources),
        n=np.zeros(3, np.int64),
        flags=words.view(np.uint8),
        words=words,
        found=zeros(max(n, net.n_inputs) + WORD + len(words) + 1),
        limits=np.zeros(4, np.int64),
        limits_before=np.zeros(4, np.int64),
        next_row=np.zeros(1, np.int64),
    )


@kernel
def zero(x: Array) -> None:
    """``x[:] = 0``, which numba compiles sooner as a loop."""
    for i in range(x.size):
        x[i] = 0


@kernel
def find_nonzero(x: Array, flags: Array, words: Array, found: Array) -> Int:
    """List in ``found`` where x is not 0; returns how many places that are."""
    for i in range(x.size):
        flags[i] = x[i] != 0
    return find_flags(x.size, flags, words, found)


@kernel
def find_above(x: Array, y: Array, flags: Array, words: Array, found: Array) -> Int:
    """List in ``found`` where x lies above y; returns how many places that are."""
    for i in range(x.size):
        flags[i] = x[i] > y[i]
    return find_flags(x.size, flags, words, found)


@kernel
def find_flags(n: Int, flags: Array, words: Array, found: Array) -> Int:
    """List which of the first n flags are set; flags behind n may be lost.

    Words with flags are listed first, at the end of ``found``: without a branch, for processors cannot foresee which
    ones they are, and each wrong guess takes longer than to look at a word.
    """
    n_words = (n + WORD - 1) // WORD
    for i in range(n, n_words * WORD):
        flags[i] = 0
    first = found.size - n_words - 1
    last = first
    for w in range(n_words):
        found[last] = w
        last += words[w] != 0
    count = 0
    for at in range(first, last):
        w = found[at]
        for i in range(w * WORD, w * WORD + WORD):
            found[count] = i
            count += flags[i]
    return count


@kernel_inside
def list_firing(work: Work, threshold: Array, fired: Array, start: Int, n: Int) -> Any:
    """Append who lies above its threshold; charge that reached a refractory neuron is lost."""
    _flag_firing(work.v[start : start + fired.size], threshold, fired, work.flags)
    n_found = find_flags(fired.size, work.flags, work.words, work.found)
    for j in range(n_found):
        work.rows[n + j] = start + work.found[j]
    return n + n_found


@kernel
def _flag_firing(v: Array, threshold: Array, fired: Array, flags: Array) -> None:
    for i in range(v.size):
        v[i] = 0 if fired[i] else v[i]
        flags[i] = (v[i] > threshold[i]) & (not fired[i])


@kernel_inside
def list_if_firing(work: Work, threshold: Int, fired: Any, i: Int, n: Int) -> Any:
    """The same for one neuron."""
    if fired:
        work.v[i] = 0
    elif work.v[i] > threshold:
        work.rows[n] = i
        n += 1
    return n


@kernel_inside
def list_keeping(work: Work, threshold: Array, fired: Array, start: Int, stop: Int, n: Int) -> Any:
    """The same for neurons of other resets than to zero at once: charge that reaches a resting one stays."""
    for i in range(start, stop):
        if work.v[i] > threshold[i] and not fired[i]:
            work.rows[n] = i
            n += 1
    return n


@kernel
def copy_into(x: Array, y: Array) -> None:
    """``x[:] = y``."""
    for i in range(x.size):
        x[i] = y[i]


@kernel
def leak(x: Array, keep: Array) -> None:
    """The product is exact in float64, the cast goes toward zero."""
    for i in range(x.size):
        x[i] = np.int32(x[i] * keep[i])


@kernel
def acc_index(net: FlatNetwork, link: Int, post: Int) -> Int:
    """Where the sum of a link for a target lies."""
    if net.link[link, KIND] <= SPARSE:
        return net.link[link, ACC_AT] + post
    size = net.link[link, HEIGHT_OUT] * net.link[link, WIDTH_OUT]
    return net.link[link, ACC_AT] + post % size * net.link[link, C_OUT] + post // size
