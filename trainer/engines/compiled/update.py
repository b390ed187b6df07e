"""Steps a to d of a round: populations that something reaches, as a whole or those of their sites that it reaches."""

from __future__ import annotations

import numpy as np

from trainer.engines.compiled import flat as col
from trainer.engines.compiled.arrival import fill
from trainer.engines.compiled.flat import BLOCKS, SOME, VALUES
from trainer.engines.compiled.geometry import WORD
from trainer.engines.compiled.integrate import fire, is_fixed, mark_hot, move, move_general
from trainer.engines.compiled.jit import exact
from trainer.engines.compiled.lanes import NOTHING, first_bits, lowest, span
from trainer.engines.compiled.state import N_NOW


@exact
def first_mark(sites, word, stop):
    """The first word that holds a mark; ``stop``: none does."""
    while word < stop and sites[word] == NOTHING:
        word += 1
    return word


@exact
def take_marks(sites, word):
    """The number of a word's lowest mark and how many follow each other from there; these are taken away."""
    mask = sites[word]
    low = lowest(mask)
    rest = ~(mask >> np.uint64(low))
    n = lowest(rest) if rest != NOTHING else WORD
    sites[word] = mask & ~(first_bits(n) << np.uint64(low))
    return low, n


@exact
def update(net, rules, numbers, state, tape, k, h_escape):
    """Every population with a new drive, a bias or a current that is due."""
    state.n[N_NOW] = 0
    for p in range(net.depth.shape[0]):
        due = k == net.depth[p] and (rules.biased or rules.biased_u or net.has_current[p] != 0 or net.waits[p] != 0)
        touched = state.touched[p]
        if not (touched & SOME or due):
            continue
        state.touched[p] = 0
        general = is_fixed(rules, state.v) or due or net.has_current[p] or net.waits[p] or net.v_min[p] > -np.inf
        some = touched == SOME and not general
        first, stop, word, last_word = net.part_at[p], net.part_at[p + 1], net.word_at[p], net.word_at[p + 1]
        if not some:
            fill(span(state.sites, word, last_word), NOTHING)
        while True:
            if some:
                word = first_mark(state.sites, word, last_word)
                if word == last_word:
                    break
                low, n = take_marks(state.sites, word)
                first = net.part_at[p] + ((word - net.word_at[p]) * WORD + low) * net.site[p]
                stop = min(first + n * net.site[p], net.part_at[p + 1])
            update_part(net, rules, numbers, state, tape, p, first, stop, k, h_escape, general)
            if not some:
                break


@exact
def update_part(net, rules, numbers, state, tape, p, first, stop, k, h_escape, general):
    """The neurons ``first`` to ``stop`` of a population; all of it where it is ``general``."""
    at = tape.used[VALUES] if rules.training else 0
    values = span(tape.values, at, at + stop - first)
    if general:
        move_general(net, rules, numbers, state, tape, p, k, values)
        if is_fixed(rules, state.v) and net.has_current[p]:
            mark_hot(net, rules, state, p)
    else:
        move(
            span(state.v, first, stop),
            span(state.sums, first, stop),
            span(state.shut, first, stop),
            span(state.live, first, stop),
            values,
        )
    if rules.training:
        block = tape.block[tape.used[BLOCKS]]
        block[col.BLOCK_PART], block[col.FIRST_NEURON], block[col.STOP_NEURON] = p, first, stop
        tape.used[BLOCKS] += 1
        tape.used[VALUES] += stop - first
    fire(net, rules, numbers, state, p, first, stop, k, h_escape, values)
