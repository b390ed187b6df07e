"""An encoder on the host: one meaning, in floats, of each sample alone."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.connection import Conv2d, Dense, Sparse, apply, with_weight
from ir.encoder import body_of, encode, spikes_of, with_encoder
from ir.encoder.run import fresh_state
from ir.encoder.sums import ordered_sums
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Trace
from tests.exchange.drawn import float_networks
from tests.strategies import Draw, connections, seeds
from trainer.execute import run

LAYERED = Schedule(kind="layered", F=None)
SHAPES = st.sampled_from([(5,), (2, 5, 4), (3, 4, 4)])


def dyadic_neuron(lif: LIF, n: int, rng: np.random.Generator) -> LIF:
    """The same kind of neuron with numbers that float32 adds exactly."""
    some = lambda: rng.integers(-16, 17, n) / 32  # noqa: E731
    return replace(
        lif,
        tau_mem_s=rng.choice([np.inf, 0.0, 2e-3]),
        v_threshold=None if lif.v_threshold is None else 0.25 + np.abs(some()),
        tau_syn_s=None if lif.tau_syn_s is None else 2e-3,
        bias=None if lif.bias is None else some(),
        bias_u=None if lif.bias_u is None else some(),
        discretization="euler",
    )


def dyadic(network: Network, seed: int) -> Network:
    rng = np.random.default_rng(seed)
    populations = tuple(replace(p, neuron=dyadic_neuron(p.neuron, p.n, rng)) for p in network.populations)  # type: ignore[arg-type]
    projections = tuple(
        replace(e, connection=with_weight(e.connection, np.round(e.connection.weight * 64) / 64))
        for e in network.projections
    )
    return replace(network, populations=populations, projections=projections, dt_s=1e-3)


def counts_of(trace: Trace, name: str, n_steps: int) -> np.ndarray:
    """(T, B, n) how often each neuron of a population fired; E0's rows say whether."""
    at, s = trace.population_slice(name), trace.spikes
    assert s is not None
    found = np.zeros((n_steps, len(trace.sample_ids), trace.n_neurons), np.int64)
    found[s.t, s.sample, s.neuron] = 1
    return found[:, :, at]


@settings(max_examples=100, deadline=None)
@given(float_networks(), seeds)
def test_it_is_the_layered_schedule_of_the_engine(network: Network, seed: int) -> None:
    network = dyadic(network, seed)
    rng = np.random.default_rng(seed)
    frames = rng.integers(-16, 48, (6, 3, network.n_inputs)).astype(np.float32) / 16
    trace = run(network, Stimulus(frames), LAYERED)
    for p in network.populations:
        mine = encode(replace(network, output=p.name), frames)
        assert np.array_equal(mine > 0, counts_of(trace, p.name, 6) > 0)
        assert np.array_equal(mine.sum(0), trace.counts[:, trace.population_slice(p.name)])


@settings(max_examples=100, deadline=None)
@given(st.data(), SHAPES, seeds)
def test_sums_are_right_and_of_each_row_alone(data: st.DataObject, shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    c, _ = data.draw(connections(shape, 4, Draw(), "plain", rng))
    c = with_weight(c, rng.normal(size=c.weight.shape).astype(np.float32))
    s = rng.normal(size=(7, c.n_pre)).astype(np.float32) * (rng.random((7, c.n_pre)) < 0.7)
    sums = ordered_sums(c, s)
    assert np.allclose(sums, apply(c, s), rtol=1e-4, atol=1e-4)
    order = rng.permutation(7)
    assert np.array_equal(ordered_sums(c, s[order]), sums[order])
    assert all(np.array_equal(ordered_sums(c, s[i : i + 1])[0], sums[i]) for i in range(7))


def test_sums_go_in_the_order_of_sources() -> None:
    """1e8 + 1 - 1e8 is 0 in float32, and 1 in any other order."""
    s = np.ones((1, 3), np.float32)
    weight = np.array([[1e8, 1.0, -1e8]], np.float32)
    row, column = (Conv2d(weight.reshape(shape), shape[1:]) for shape in ((1, 1, 1, 3), (1, 3, 1, 1)))
    kinds = Dense(weight), row, column, Sparse(np.array([0, 3]), np.arange(3), weight[0], 3)
    assert [ordered_sums(c, s).item() for c in kinds] == [0.0] * 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
def test_frames_of_any_kind_are_floats(dtype: type) -> None:
    net = two_layers().encoder
    assert net is not None
    frames = np.ones((2, 1, 4), dtype)
    assert np.array_equal(encode(net, frames), encode(net, frames.astype(np.float32)))


def two_layers(seed: int = 0) -> Network:
    """Four inputs, an encoder of five neurons, three behind it."""
    rng = np.random.default_rng(seed)
    lif = LIF(2e-3, 0.5)
    populations = Population("a", (5,), lif), Population("b", (3,), lif)
    projections = (
        Projection("x", "a", Dense(rng.normal(size=(5, 4)))),
        Projection("a", "b", Dense(rng.normal(size=(3, 5)))),
    )
    return with_encoder(Network((Input("x", (4,)),), populations, projections, "b"))


@settings(max_examples=30, deadline=None)
@given(seeds, st.permutations(range(6)), st.integers(1, 6))
def test_a_sample_does_not_know_its_batch(seed: int, order: list[int], size: int) -> None:
    net = two_layers(seed).encoder
    assert net is not None
    frames = np.random.default_rng(seed).random((5, 6, 4)).astype(np.float32)
    whole = encode(net, frames)
    assert np.array_equal(encode(net, frames[:, order]), whole[:, order])
    parts = [encode(net, frames[:, a : a + size]) for a in range(0, 6, size)]
    assert np.array_equal(np.concatenate(parts, 1), whole)


@settings(max_examples=60, deadline=None)
@given(float_networks(), seeds, st.integers(0, 6))
def test_a_run_that_goes_on_is_the_whole_run(network: Network, seed: int, cut: int) -> None:
    """Delays and edges that look back among them; still images on one side of the cut or both."""
    rng = np.random.default_rng(seed)
    frames = rng.normal(size=(6, 2, network.n_inputs)).astype(np.float32)
    if seed % 2:
        frames[:cut] = frames[0]
    state = fresh_state(network, 2)
    parts = [encode(network, part, state) for part in (frames[:cut], frames[cut:])]
    assert np.array_equal(np.concatenate(parts), encode(network, frames))


class TestCut:
    def test_both_halves_are_the_whole(self) -> None:
        """Under the layered schedule: spikes of the body, and the host's, are those of the network before."""
        rng = np.random.default_rng(3)
        lif = LIF(2e-3, 0.5, discretization="euler")
        names = ["x", "a", "b", "c"]
        populations = tuple(Population(name, (6,), lif) for name in names[1:])
        chain = tuple(
            Projection(pre, post, Dense(rng.integers(-32, 64, (6, 6)) / 64)) for pre, post in itertools.pairwise(names)
        )
        back = (
            Projection("a", "a", Dense(rng.integers(-32, 33, (6, 6)) / 64)),
            Projection("c", "b", chain[1].connection),
        )
        whole = Network((Input("x", (6,)),), populations, (*chain, *back), "c", schedule=LAYERED)
        frames = rng.integers(0, 32, (8, 3, 6)).astype(np.float32) / 16
        want = run(whole, Stimulus(frames))
        assert want.counts[:, 12:].any()
        got = run(with_encoder(whole), Stimulus(frames))
        assert got.host is not None
        assert np.array_equal(got.host, counts_of(want, "a", 8))
        assert np.array_equal(got.counts, want.counts[:, 6:])

    def test_what_cannot_be_cut_is_refused(self) -> None:
        lif = LIF(2e-3, 0.5)
        a, b, c = (Population(name, (2,), lif) for name in "abc")
        eye = Dense(np.eye(2))

        def net(*ends: str) -> Network:
            edges = tuple(Projection(pre, post, eye) for pre, post in ends)
            return Network((Input("x", (2,)),), (a, b, c), edges, "c")

        whole = net("xa", "ab", "bc")
        for n in (0, 3, -1):
            with pytest.raises(ValueError, match=f"an encoder of {n} populations.*give 1 to 2"):
                with_encoder(whole, n)
        with pytest.raises(ValueError, match="b -> a leads back into the encoder"):
            with_encoder(net("xa", "ab", "bc", "ba"))
        with pytest.raises(ValueError, match="x -> c leads past the encoder"):
            with_encoder(net("xa", "ab", "bc", "xc"))
        with pytest.raises(ValueError, match="the spikes of a, b leave the first 2 populations"):
            with_encoder(net("xa", "ab", "bc", "ac"), 2)
        with pytest.raises(ValueError, match="has an encoder already"):
            with_encoder(with_encoder(whole))

    def test_a_neuron_that_always_fires_goes_where_it_is_needed(self) -> None:
        lif, always = LIF(0.0, 0.5), LIF(0.0, 0.5, bias=1.0)
        populations = tuple(Population(n, (1,), always if n == "on" else lif) for n in ("a", "b", "on"))
        one = Dense(np.ones((1, 1)))
        edges = tuple(Projection(pre, post, one) for pre, post in (("x", "a"), ("a", "b"), ("on", "a"), ("on", "b")))
        cut = with_encoder(Network((Input("x", (1,)),), populations, edges, "b"))
        assert cut.encoder is not None
        assert [p.name for p in cut.populations] == ["b", "on"]
        assert [p.name for p in cut.encoder.populations] == ["a", "on"]


class TestLaw:
    def test_an_encoder_fits_what_follows(self) -> None:
        body = replace(two_layers(), encoder=None)
        encoder = two_layers().encoder
        assert encoder is not None
        with pytest.raises(ValueError, match="ends in 3 neurons, the network behind it has 5 inputs"):
            replace(body, encoder=replace(body))
        with pytest.raises(ValueError, match=r"time step is 0\.01 s, the network's 0\.001 s"):
            replace(body, encoder=replace(encoder, dt_s=0.01))
        with pytest.raises(ValueError, match="the encoder has an encoder itself"):
            replace(body, encoder=two_layers())
        silent = Population("a", (5,), LIF(2e-3, None))
        with pytest.raises(ValueError, match="'a', which never fires"):
            replace(body, encoder=replace(encoder, populations=(silent,)))

    def test_data_fit_the_encoder(self) -> None:
        with pytest.raises(ValueError, match="stimulus has 3 inputs, the encoder 4"):
            spikes_of(two_layers(), Stimulus(np.zeros((2, 1, 3), np.float32)))
        assert two_layers().n_data == 4 and two_layers().n_inputs == 5

    def test_without_one_nothing_changes(self) -> None:
        body = replace(two_layers(), encoder=None)
        given_ = Stimulus(np.ones((2, 1, 5)))
        assert body_of(body) is body and spikes_of(body, given_) is given_
