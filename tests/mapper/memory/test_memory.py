"""Synapse memory follows the chip's word format; the search's bound is never less than what the synapses take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.chip_toml import find_chip
from ir.chip import Chip
from ir.connection import Conv2d, Dense
from ir.network import Input
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from mapper import map_network
from mapper.check.recount import recount
from mapper.edges import network_edges
from mapper.memory.bounds import memory_need
from mapper.memory.layout import Words, layout, list_words, weight_bits
from mapper.memory.words import synapse_words
from mapper.rates import scaled
from mapper.view.cells import network_cells
from tests.strategies import Draw, networks, seeds

laws = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
LOIHI1, LOIHI2 = find_chip("loihi1"), find_chip("loihi2")


def plain(chip: Chip, word: int = 8) -> Chip:
    """A chip that stores weights and nothing else."""
    form = replace(chip.synapse_format, header_bits=0, index_bits=0, delay_bits=0, dense_index_bits=0, shared_kernels=0)
    return replace(chip, synapse_format=form, limits=replace(chip.limits, synapse_word_bits=word))


def projection(weight: object, exponent: int = 0, delay: int = 0) -> FixedProjection:
    return FixedProjection("a", "b", Dense(np.array(weight, np.int32)), exponent, delay)


@laws
@given(st.data())
def test_the_bound_of_any_core_is_at_least_its_words_or_more_than_fits(data: st.DataObject):
    network = data.draw(networks(Draw()))
    chip = data.draw(st.sampled_from([LOIHI1, LOIHI2, plain(LOIHI1)]))
    room = data.draw(st.sampled_from([20, 100, 16384]))
    chip = replace(chip, limits=replace(chip.limits, max_synapse_words=room))
    core = np.random.default_rng(data.draw(seeds)).integers(0, 3, network.n_neurons)
    need = memory_need(network, chip)
    axons = recount(network_edges(network), core, np.ones(network.n_neurons + network.n_inputs)).axons
    words = synapse_words(network, chip, core)
    for b in range(words.size):
        groups = np.unique(need.group[core == b])
        once = int(need.shared[groups[groups >= 0]].sum())
        bound = int(need.memory[core == b].sum()) + once + need.overhead * int(axons[b])
        assert bound >= chip.limits.synapse_word_bits * words[b] or bound >= chip.limits.synapse_word_bits * (room + 1)


@laws
@given(st.data())
def test_one_neuron_alone_takes_what_the_recount_says(data: st.DataObject):
    network = data.draw(networks(Draw()))
    chip = data.draw(st.sampled_from([LOIHI1, LOIHI2]))
    i = data.draw(st.integers(0, network.n_neurons - 1))
    core = (np.arange(network.n_neurons) != i).astype(int) if network.n_neurons > 1 else np.zeros(1, int)
    assert memory_need(network, chip).alone[i] == synapse_words(network, chip, core)[0]


@laws
@given(st.data())
def test_without_headers_indices_and_sharing_memory_is_the_weights_bits(data: st.DataObject):
    network = data.draw(networks(Draw()))
    chip = replace(plain(LOIHI1), synapse_format=replace(plain(LOIHI1).synapse_format, weight_bits=(8,)))
    core = np.random.default_rng(data.draw(seeds)).integers(0, 2, network.n_neurons)
    held = recount(network_edges(network), core, np.ones(network.n_neurons + network.n_inputs)).synapses
    assert synapse_words(network, chip, core).tolist() == held.tolist()
    assert int(network_cells(network, chip, scaled(None, network)).memory.sum()) == 8 * held.sum()


@laws
@given(st.integers(1, 40), st.integers(0, 70), st.integers(1, 64), st.sampled_from([8, 32, 64]))
def test_a_lists_bound_holds_for_every_length(bits: int, header: int, length: int, word: int):
    form = Words(word, header, length)
    n = np.arange(1, 300)
    for most in (None, 50, 0):
        synapse, once = form.bound(bits, most)
        assert (n * synapse + once >= form.of_list(n, bits) * word).all()
        assert most is None or once <= most


@laws
@given(st.integers(1, 40), st.integers(0, 70), st.integers(1, 3000), st.integers(100, 20000), st.integers(1, 200))
def test_equal_lists_are_bounded_as_far_as_they_fit(bits: int, header: int, lists: int, room: int, most: int):
    form = Words(64, header, 64)
    neuron, core, fits = form.equal_lists([(lists, bits)], room, most)
    n = np.arange(1, most + 1)
    words, bound = lists * form.of_list(n, bits), n * neuron + core
    assert fits == (words <= room).sum()
    assert (bound[:fits] >= words[:fits] * 64).all() and (bound[fits:] >= (room + 1) * 64).all()
    assert fits == 0 or bound[fits - 1] < (room + 1) * 64


def test_a_wide_dense_layer_fills_its_cores():
    rng = np.random.default_rng(0)
    network = QuantizedNetwork(
        (Input("in", (5184,)),),
        (FixedPopulation("fc", (20,)),),
        (FixedProjection("in", "fc", Dense(2 * rng.integers(-128, 128, (20, 5184)).astype(np.int32))),),
        "fc",
    )
    assert LOIHI2.limits.max_synapse_words // 5184 == 2  # words a source, and two hold lists of five
    assert len(map_network(network, LOIHI2, preset="fast").cores) == 4


def test_lists_begin_at_new_words_and_parts_have_headers():
    form = Words(word=64, header=10, length=64)
    assert form.of_list(np.array([0, 1, 6, 7, 62, 64, 65, 128]), 8).tolist() == [0, 1, 1, 2, 8, 9, 9, 17]


@laws
@given(st.integers(1, 40), st.integers(0, 70), st.integers(1, 64), st.sampled_from([8, 32, 64]))
def test_a_list_never_takes_more_than_its_pieces_nor_than_cutting_it_in_any_way(
    bits: int, header: int, length: int, word: int
):
    form = Words(word, header, length)
    words = form.of_list(np.arange(60), bits).tolist()
    one_part = [-(-(header + bits * n) // word) for n in range(length + 1)]
    best = [0]
    for n in range(1, 60):
        best.append(min(best[n - p] + one_part[p] for p in range(1, min(n, length) + 1)))
    assert words == best


@pytest.mark.parametrize(
    "weight, exponent, bits",
    [
        ([[2, -2]], 0, 2),  # 1, -1
        ([[254, -256]], 0, 8),
        ([[254, 2]], 0, 8),  # 127, one sign
        ([[64, 192]], 0, 2),
        ([[0, 0]], 0, 1),
        ([[6, -8]], 0, 3),
        ([[6, -8]], -8, 8),  # the exponent is at its lowest: nothing can move into it
        ([[1001, -3]], 0, 8),  # beyond the chip's weights: the widest
    ],
)
def test_weights_take_the_smallest_encoding_that_holds_them(weight: object, exponent: int, bits: int):
    assert weight_bits(projection(weight, exponent), LOIHI2) == bits


def test_zero_weights_are_left_out_where_indices_cost_less():
    weight = np.zeros((8, 100), np.int32)
    weight[0] = 254
    mostly_zero, full = projection(weight), projection(np.full((8, 100), 254))
    assert [layout(e, LOIHI1).zeros for e in (mostly_zero, full)] == [False, True]
    assert [layout(e, LOIHI1).bits for e in (mostly_zero, full)] == [7 + 1 + 10, 8]


def test_delays_take_bits_only_where_there_are_any():
    slow, quick = projection(np.full((2, 2), 2), delay=3), projection(np.full((2, 2), 2))
    assert layout(slow, LOIHI1).bits - layout(quick, LOIHI1).bits == LOIHI1.synapse_format.delay_bits


@laws
@given(st.data())
def test_the_bound_holds_for_kernels_cut_into_blocks(data: st.DataObject):
    channels, groups = data.draw(st.sampled_from([(76, 1), (130, 1), (96, 2), (64, 4)]))
    rng = np.random.default_rng(data.draw(seeds))
    weight = rng.integers(-128, 128, (channels, 4 // groups, 3, 3)).astype(np.int32) * 2
    conv = Conv2d(weight, (4, 3, 3), padding=(1, 1), groups=groups)
    network = QuantizedNetwork(
        (Input("in", (4, 3, 3)),),
        (FixedPopulation("c", conv.out_shape),),
        (FixedProjection("in", "c", conv),),
        "c",
    )
    chip = replace(LOIHI1, limits=replace(LOIHI1.limits, max_synapse_words=data.draw(st.integers(100, 700))))
    need = memory_need(network, chip)
    core = (rng.random(channels) * data.draw(st.integers(1, 4))).astype(int).repeat(9)
    core = np.where(rng.random(core.size) < data.draw(st.sampled_from([0.0, 0.5])), 0, core)
    for b, words in enumerate(synapse_words(network, chip, core)):
        assert int(need.shared[np.unique(need.group[core == b])].sum()) >= words * 64


def test_a_kernel_too_large_for_a_core_is_cut_into_blocks_of_channels():
    weight = np.random.default_rng(0).integers(-128, 128, (64, 64, 5, 5)).astype(np.int32) * 2
    conv = Conv2d(weight, (64, 6, 6), padding=(2, 2))
    network = QuantizedNetwork(
        (Input("in", (64, 6, 6)),),
        (FixedPopulation("c", conv.out_shape),),
        (FixedProjection("in", "c", conv),),
        "c",
    )
    room = LOIHI2.limits.max_synapse_words
    assert synapse_words(network, LOIHI2, np.zeros(network.n_neurons))[0] == 64 * 25 * 9 > room
    need = memory_need(network, LOIHI2)
    assert need.shared.size == 11 and int(need.shared.max()) <= room * 64 // 4  # six channels fill a word
    assert len(map_network(network, LOIHI2, preset="fast").cores) == 2


def intels_dense_rows() -> list[tuple[int, int, float]]:
    """(neurons a core, weight bits, words a list) of pilotnet_snn.net's dense layers as Intel's compiler cut them."""
    return [(9, 3, 3), (1, 3, 1), (50, 4, 1300 / 100), (10, 5, 150 / 50), (1, 6, 10 / 10)]


@pytest.mark.parametrize("neurons, bits, words", intels_dense_rows())
def test_dense_layers_take_the_words_that_intels_compiler_printed(neurons: int, bits: int, words: float):
    form = list_words(LOIHI2)
    assert int(form.of_list(neurons, bits + LOIHI2.synapse_format.dense_index_bits)) == words


INTELS_KERNELS = [(24, 27, 5, 81), (36, 216, 4, 864), (48, 324, 4, 1620), (64, 432, 4, 2160), (64, 576, 4, 2880)]


@pytest.mark.parametrize("channels, lists, bits, words", INTELS_KERNELS)
def test_kernels_take_the_words_that_intels_compiler_printed_or_a_fourth_less(
    channels: int, lists: int, bits: int, words: int
):
    ours = lists * int(list_words(LOIHI2).of_list(channels, bits))
    assert 0.75 * words <= ours <= words
