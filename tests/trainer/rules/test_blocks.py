"""Gradients summed by blocks: the same bits from any number of processes and threads, on every engine."""

from __future__ import annotations

from collections.abc import Generator
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ir import Schedule, Stimulus
from ir import neurons as ir_neurons
from ir.check import SlowerWarning
from tests.toys.signs import Signs
from tests.toys.tired import TIRED
from tests.toys.tired_trainer import TiredModel, TiredModule
from tests.trainer.simulated import Simulated
from tests.trainer.test_fit import toy
from trainer.batch import Batch
from trainer.batches import share_of
from trainer.build import build_network
from trainer.config import TrainConfig, preset
from trainer.engines import neurons as trainer_neurons
from trainer.engines.options import TrainingOptions
from trainer.evaluation import Among, evaluate
from trainer.fit import prepared, run_batch
from trainer.network import SpikingNetwork
from trainer.neuron import LIF
from trainer.rules import RULES
from trainer.rules import blocks as rule_blocks
from trainer.rules.blocks import BLOCK, blocks, check_together
from trainer.trainable import TrainableNetwork

DROPPING = TrainingOptions(refractory_dropout=0.5, input_dropout=0.2, spike_dropout=0.2, momentum_noise=1e-3)
PLAIN = TrainConfig(
    layers=("8", "10"), seed=5, same_bits=True, schedule=Schedule(F=4), options=DROPPING, gradient_norm=0.01
)
GAMMA = replace(
    preset("spiking-gamma-digits"), layers=("8", "10"), seed=5, same_bits=True, schedule=Schedule("layered")
)
CASES = {
    "compiled": PLAIN,
    "compiled, by membrane, count loss": replace(PLAIN, schedule=Schedule(F=2, order="momentum"), loss="count"),
    "reference": replace(PLAIN, engine="reference"),
    "layered": replace(PLAIN, schedule=Schedule("layered"), loss="membrane"),
    "convolution": replace(PLAIN, layers=("conv 2 5 stride 4", "10")),
    "max pooling": replace(PLAIN, layers=("conv 2 5 stride 2", "maxpool 2", "10")),
    "queued input": replace(PLAIN, schedule=Schedule(F=4, order="fifo", input="queued")),
    "from a network": replace(PLAIN, train_threshold=True),
    "learned thresholds and taus": replace(
        PLAIN, tau_syn_s=1e-3, train_tau=True, train_tau_syn=True, train_threshold=True, per_neuron=True
    ),
    "paid spikes, last steps": replace(PLAIN, spike_penalty=0.1, loss_steps=2),
    "what is silent carries on": replace(PLAIN, options=replace(DROPPING, silent_gradient="carried")),
    "order drawn": replace(PLAIN, order_drawn=("fifo", "momentum", "random")),
    "integers": replace(PLAIN, weight_bits=4),
    "encoder": replace(PLAIN, layers=("8", "8", "10"), encoder=1),
    "truncated": replace(PLAIN, truncate=2, tau_mem_s=20e-3),
    "truncated encoder": replace(PLAIN, layers=("8", "8", "10"), encoder=1, truncate=1),
    "spiking gamma": replace(GAMMA, rule="bptt"),
    "traces": replace(GAMMA, rule="trace"),
    "traces, plain": replace(GAMMA, rule="trace", engine="reference"),
    "all buckets, deep": replace(GAMMA, rule="all-buckets", layers=("8", "8", "10")),
}


@pytest.fixture(autouse=True)
def as_many_threads() -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def first_network(config: TrainConfig) -> SpikingNetwork:
    """As a training begins, with weights that make it spike."""
    if config.weight_bits or config.neuron == "spiking_gamma":
        return prepared(replace(config, initial_density=0.1), toy())
    network = build_network(config)
    with torch.no_grad():
        for name, p in network.named_parameters():
            if "weight" in name:
                p.mul_(3)
    return TrainableNetwork(network.export(), config.schedule, True) if config is CASES["from a network"] else network


def step(
    config: TrainConfig, network: SpikingNetwork, index: np.ndarray, world: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[float, list[Tensor]]:
    """Loss and gradients of a batch (of its last piece) that some processes share, the same in all of them."""

    def one(rank: int) -> tuple[float, list[Tensor]]:
        own = deepcopy(network)
        own.train()
        optimizer = RULES[config.rule].optimizer(own, config)
        mine = share_of(index, config)
        loss = run_batch(own, optimizer, toy(), mine, config, (0, 0), len(index))
        return loss, [torch.zeros_like(p) if p.grad is None else p.grad for p in own.parameters() if p.requires_grad]

    with monkeypatch.context() as patch:
        found = Simulated(world, patch).run(one)
    for other in found[1:]:
        assert same(found[0], other), "every process has the whole gradient"
    return found[0]


def same(a: tuple[float, list[Tensor]], b: tuple[float, list[Tensor]]) -> bool:
    return a[0] == b[0] and all(torch.equal(x, y) for x, y in zip(a[1], b[1], strict=True))


def far(a: list[Tensor], b: list[Tensor]) -> float:
    """The distance of two gradients, relative."""
    x, y = (torch.cat([g.double().flatten() for g in row]) for row in (a, b))
    return float((x - y).norm() / y.norm())


@pytest.mark.parametrize("name", CASES)
def test_one_two_and_three_processes_find_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config, network = CASES[name], first_network(CASES[name])
    order = np.random.default_rng(0).permutation(60)
    for n in (5, 2 * BLOCK + 8):
        one = step(config, network, order[:n], 1, monkeypatch)
        assert any(bool((g != 0).any()) for g in one[1])
        for world in (2, 3):
            assert same(one, step(config, network, order[:n], world, monkeypatch)), f"{n} samples, {world} processes"
        torch.set_num_threads(3)
        assert same(one, step(config, network, order[:n], 1, monkeypatch)), f"{n} samples, 3 threads"
        torch.set_num_threads(1)


@given(n=st.integers(1, 60), seed=st.integers(0, 2**32 - 1), worlds=st.sets(st.integers(2, 6), min_size=1, max_size=2))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_number_of_processes_finds_the_bits_of_one(
    n: int, seed: int, worlds: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More processes than blocks among them, and last blocks of any size."""
    config, order = replace(PLAIN, seed=seed), np.random.default_rng(seed).permutation(60)[:n]
    network = first_network(config)
    one = step(config, network, order, 1, monkeypatch)
    for world in worlds:
        assert same(one, step(config, network, order, world, monkeypatch))


@pytest.mark.parametrize("name", ["compiled", "reference", "layered", "integers", "spiking gamma"])
@pytest.mark.parametrize("world", [2, 3])
def test_without_the_switch_the_first_gradient_of_some_processes_is_that_of_one_but_for_rounding(
    name: str, world: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, network = replace(CASES[name], same_bits=False), first_network(CASES[name])
    order = np.random.default_rng(0).permutation(60)[:41]
    one = step(config, network, order, 1, monkeypatch)
    some = step(config, network, order, world, monkeypatch)
    in_blocks = step(CASES[name], network, order, 1, monkeypatch)
    assert far(some[1], one[1]) < 1e-5 and some[0] == pytest.approx(one[0], rel=1e-5)
    assert far(in_blocks[1], one[1]) < 1e-5 and in_blocks[0] == pytest.approx(one[0], rel=1e-5)


@pytest.mark.parametrize("same_bits", [True, False])
def test_a_process_may_have_no_sample_of_a_batch(same_bits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    config, network = replace(PLAIN, same_bits=same_bits, shift_px=1, truncate=2), first_network(PLAIN)
    one = step(config, network, np.arange(2), 1, monkeypatch)
    some = step(config, network, np.arange(2), 4, monkeypatch)
    assert far(some[1], one[1]) < 1e-5 and (same(one, some) or not same_bits)


def test_a_sum_over_samples_depends_on_who_adds_up_without_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing above would show anything."""
    config, network = replace(PLAIN, same_bits=False), first_network(PLAIN)
    index = np.arange(60)
    assert not same(step(config, network, index, 1, monkeypatch), step(config, network, index, 2, monkeypatch))


@pytest.mark.parametrize("name", ["compiled", "layered", "integers", "traces"])
def test_an_evaluation_that_is_shared_out_is_that_of_one_process(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config, network = CASES[name], first_network(CASES[name])
    many = Stimulus(np.tile(toy().frames, (1, 3, 1)), labels=np.tile(toy().labels, 3))

    def judged(rank: int) -> tuple[float, float, float]:
        return evaluate(deepcopy(network), many, config.schedule, among=Among.SAME_BITS)

    alone = evaluate(network, many, config.schedule, among=Among.SAME_BITS)
    assert alone == pytest.approx(evaluate(network, many, config.schedule), rel=1e-9)
    for world in (2, 5):
        with monkeypatch.context() as patch:
            assert set(Simulated(world, patch).run(judged)) == {alone}


def test_blocks_keep_events_and_samples_together() -> None:
    n = 2 * BLOCK + 3
    events = np.array([[b, t, 7, b % 5] for b in range(n) for t in range(2)])
    batch = Batch(torch.rand(2, n, 5), torch.arange(n), torch.arange(n) + 50, events, whole=n)
    cut = list(blocks(batch))
    assert [len(block.ids) for block in cut] == [BLOCK, BLOCK, 3]
    for i, block in enumerate(cut):
        assert block.frames.is_contiguous() and torch.equal(block.frames, batch.frames[:, i * BLOCK :][:, :BLOCK])
        assert block.events is not None and len(block.events) == 2 * len(block.ids)
        assert (block.events[:, 3] == (block.events[:, 0] + i * BLOCK) % 5).all()
        assert torch.equal(block.ids, block.labels + 50)


def test_what_cannot_have_the_same_bits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for change in ({"device": "cuda"}, {"engine": "gpu"}):
        with pytest.raises(
            ValueError, match="same_bits holds on the CPU, a GPU adds up in any order; leave one of the"
        ):
            replace(PLAIN, **change)
    with pytest.raises(ValueError, match=r"same_bits adds up a whole batch; set gamma\.update = 'sequence'"):
        replace(GAMMA, rule="trace", gamma=replace(GAMMA.gamma, update="step"))
    monkeypatch.setitem(RULES, "signs", Signs())
    with pytest.raises(ValueError, match="rule 'signs' does not add up blocks of samples; leave same_bits out, or"):
        replace(PLAIN, rule="signs")


def test_neurons_of_ones_own_learn_the_same_in_any_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled engine hands them over to the plain one."""
    monkeypatch.setitem(ir_neurons.MODELS, "tired", TIRED)
    monkeypatch.setitem(trainer_neurons.MODELS, "tired", TiredModel())
    torch.manual_seed(0)
    layers = [nn.Linear(800, 9, bias=False), TiredModule(0.4, 0.2), nn.Linear(9, 10, bias=False), LIF(5e-3, 0.1)]
    network = SpikingNetwork.sequential((2, 20, 20), nn.Flatten(), *layers, dt_s=5e-3)
    for parameter in network.parameters():
        parameter.data.abs_()
    index = np.random.default_rng(0).permutation(60)[:41]
    config = replace(PLAIN, loss="count", options=replace(DROPPING, momentum_noise=0.0))
    with pytest.warns(SlowerWarning):
        one = step(config, network, index, 1, monkeypatch)
        assert all(bool((g != 0).any()) for g in one[1])
        for world in (2, 3):
            assert same(one, step(config, network, index, world, monkeypatch))
            without = step(replace(config, same_bits=False), network, index, world, monkeypatch)
            assert far(without[1], one[1]) < 1e-5 and without[0] == pytest.approx(one[0], rel=1e-5)


def test_a_rule_that_may_not_add_up_over_processes_trains_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    check_together("signs", Signs())
    with monkeypatch.context() as patch:
        patch.setattr(rule_blocks, "world", lambda: 2)
        with pytest.raises(
            ValueError, match=r"'signs' does not say that it adds up .*adds_up = True, else leave torch"
        ):
            check_together("signs", Signs())
        patch.setattr(Signs, "adds_up", True, raising=False)
        check_together("signs", Signs())
        for name, rule in RULES.items():
            check_together(name, rule)


def test_a_loss_that_is_no_number_is_said_with_the_switch_too() -> None:
    config = replace(PLAIN, layers=("10",), loss="membrane")
    network = build_network(config)
    network.plan()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(float("nan"))
    optimizer = torch.optim.Adam(network.parameters())
    with pytest.raises(ValueError, match=r"epoch 0: the loss is nan; lower learning_rate"):
        run_batch(network, optimizer, toy(), np.arange(20), config, (0, 0), 20)
