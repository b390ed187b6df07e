"""Optimizers and learning rates by name: each is what it says, and a run resumes under it bit for bit."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ir import FormatError
from ir.check import GradientWarning
from tests.trainer.test_fit import CONFIG, toy, weights
from trainer.build import build_network
from trainer.config import TrainConfig, from_dict
from trainer.fit import Metrics, train
from trainer.optimizers import (
    MOST_IN_A_ROW,
    OPTIMIZERS,
    WITH_MOMENTUM,
    GradientLimit,
    learning_rate,
    make_optimizer,
    set_rate,
)

BASE = TrainConfig(epochs=10, learning_rate=2.0, rate_factor=0.25, rate_every=4)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [2, 2, 2, 2]),
        ("cosine", [2, 2 * (0.25 + 0.75 * (1 + math.cos(math.pi / 4)) / 2), 2 * (0.25 + 0.375), 0.5]),
        ("linear", [2, 2 * (0.25 + 0.75 * 0.75), 2 * (0.25 + 0.375), 0.5]),
        ("step", [2, 2, 2 * 0.25, 2 * 0.0625]),
    ],
)
def test_a_learning_rate_is_its_schedule(schedule: str, expected: list[float]) -> None:
    config = replace(BASE, rate_schedule=schedule)
    found = [learning_rate(config, at) for at in (0.0, 2.5, 5.0, 10.0)]
    assert found == pytest.approx(expected)


def test_a_warm_up_grows_from_nothing_and_the_schedule_begins_behind_it() -> None:
    config = replace(BASE, rate_schedule="linear", warmup_epochs=2.0)
    found = [learning_rate(config, at) for at in (0.0, 0.5, 2.0, 6.0, 10.0)]
    assert found == pytest.approx([0, 0.5, 2, 2 * (0.25 + 0.375), 0.5])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_resumes_bit_for_bit_under_every_optimizer(name: str, tmp_path: Path) -> None:
    momentum = 0.5 if name in ("sgd", "rmsprop") else 0.0
    config = replace(CONFIG, optimizer=name, optimizer_momentum=momentum, rate_schedule="step", rate_every=1)
    config = replace(config, warmup_epochs=1.5, epochs=3, learning_rate=0.02, gradient_norm=0.01)
    train(config, tmp_path / "whole", stimulus=toy())
    train(replace(config, epochs=1), tmp_path / "cut", stimulus=toy())
    train(config, tmp_path / "cut", resume=True, stimulus=toy())
    for a, b in zip(weights(tmp_path / "whole"), weights(tmp_path / "cut")):
        np.testing.assert_array_equal(a, b)
    made = make_optimizer(build_network(config), config)
    assert type(made) is OPTIMIZERS[name]
    assert all(g["lr"] == 0.02 and g.get("momentum", momentum) == momentum for g in made.param_groups)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("per_neuron", [False, True])
def test_learnt_times_resume_bit_for_bit_under_every_optimizer(name: str, per_neuron: bool, tmp_path: Path) -> None:
    config = replace(CONFIG, optimizer=name, train_tau=True, per_neuron=per_neuron, train_threshold=True)
    config = replace(config, epochs=3, weight_decay=1e-3)
    whole = train(config, tmp_path / "whole", stimulus=toy())
    train(replace(config, epochs=1), tmp_path / "cut", stimulus=toy())
    resumed = train(config, tmp_path / "cut", resume=True, stimulus=toy())
    for (at, a), b in zip(whole.state_dict().items(), resumed.state_dict().values()):
        np.testing.assert_array_equal(a, b, at)


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_a_rate_that_falls_to_the_last_epoch_goes_on_to_that_one_only(name: str, tmp_path: Path) -> None:
    config = replace(CONFIG, rate_schedule=name, epochs=2)
    whole = train(config, tmp_path / "whole", stimulus=toy())

    class Enough(Exception):
        pass

    def stop(found: Metrics, done: int, total: int) -> None:
        if found.epoch == 1 and done == 1:
            raise Enough

    with pytest.raises(Enough):
        train(config, tmp_path / "cut", stimulus=toy(), report=stop)
    before = (tmp_path / "cut" / "last.pt").read_bytes()
    with pytest.raises(FormatError, match=f"is of 2 epochs, and its {name} learning rate comes down to the last"):
        train(replace(config, epochs=3), tmp_path / "cut", resume=True, stimulus=toy())
    assert (tmp_path / "cut" / "last.pt").read_bytes() == before
    resumed = train(config, tmp_path / "cut", resume=True, stimulus=toy())
    for (at, a), b in zip(whole.state_dict().items(), resumed.state_dict().values()):
        np.testing.assert_array_equal(a, b, at)


def test_decay_pulls_weights_and_thresholds_and_no_time() -> None:
    config = replace(CONFIG, optimizer="sgd", train_tau=True, train_threshold=True, weight_decay=0.5, learning_rate=0.1)
    network = build_network(config)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for p in network.parameters():
        p.grad = torch.zeros_like(p)
    optimizer = make_optimizer(network, config)
    set_rate(optimizer, 0.2)
    optimizer.step()
    assert any("log_tau_mem" in name for name in before)
    for name, p in network.named_parameters():
        torch.testing.assert_close(p.detach(), before[name] * (1.0 if "log_tau" in name else 0.9), msg=name)


def test_the_rate_reaches_the_weights(tmp_path: Path) -> None:
    """Plain descent with a rate that is all but 0 moves nothing; with the rate's warm-up it moves less."""
    config = replace(CONFIG, optimizer="sgd", learning_rate=0.5, epochs=1, loss="count")
    moved = {}
    for name, changes in {"plain": {}, "warm": {"warmup_epochs": 1000.0}}.items():
        train(replace(config, **changes), tmp_path / name, stimulus=toy())
        begin = build_network(config).export().projections
        moved[name] = sum(float(np.abs(a - b.connection.weight).sum()) for a, b in zip(weights(tmp_path / name), begin))
    assert 0 < moved["warm"] < moved["plain"] / 100


def test_the_noise_of_the_momentum_decays() -> None:
    config = from_dict({"options": {"momentum_noise": 0.4}, "momentum_noise_decay": 0.5})
    assert [config.options_at(epoch).momentum_noise for epoch in (0, 1, 3)] == [0.4, 0.2, 0.05]
    assert replace(config, momentum_noise_decay=1.0).options_at(7) == config.options


def test_refractory_dropout_decays() -> None:
    config = from_dict({"options": {"refractory_dropout": 0.8}, "refractory_dropout_decay": 0.5})
    assert [config.options_at(epoch).refractory_dropout for epoch in (0, 1, 3)] == [0.8, 0.4, 0.1]
    assert replace(config, refractory_dropout_decay=1.0).options_at(7) == config.options


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"optimizer": "adamax"}, "optimizer is 'adamax'"),
        ({"optimizer_momentum": 0.9}, "optimizer 'adam' has no optimizer_momentum"),
        ({"rate_schedule": "cosines"}, "rate_schedule is 'cosines'"),
        ({"rate_every": 0}, "rate_every is 0; at least 1"),
        ({"rate_factor": 1.5}, r"rate_factor is 1.5; it lies in 0\.\.1"),
        ({"momentum_noise_decay": -0.1}, "momentum_noise_decay is -0.1; at least 0"),
        ({"refractory_dropout_decay": 1.1}, r"refractory_dropout_decay is 1.1; it lies in 0\.\.1"),
        ({"order_drawn": ["fifo", "lifo"]}, "order_drawn is 'lifo'"),
        ({"order_drawn": "fifo"}, "order_drawn is 'fifo'; make it a list"),
        ({"warmup_epochs": "two"}, "warmup_epochs is 'two'; give a number"),
    ],
)
def test_what_no_optimizer_or_schedule_means_is_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence):
        from_dict(values)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e30], ids=["short", "long", "squares beyond float32"])
def test_a_gradient_is_no_longer_than_its_limit(size: float) -> None:
    parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((3,), (2, 2), (1,))]
    before = [size * torch.tensor([3.0, 0.0, 0.0]), size * torch.full((2, 2), 2.0)]
    for p, g in zip(parameters, before):
        p.grad = g.clone()
    GradientLimit(0.5)(torch.optim.SGD(parameters, lr=1.0))
    after = [p.grad for p in parameters[:2] if p.grad is not None]
    assert parameters[2].grad is None
    if size < 0.1:
        assert all(torch.equal(a, b) for a, b in zip(after, before))
    else:
        torch.testing.assert_close(after, [g * (0.5 / (5 * size)) for g in before])


def limited(optimizer: str) -> tuple[torch.nn.Parameter, torch.optim.Optimizer]:
    """A parameter, and what changes it, with all that may move it without a gradient."""
    p = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    momentum = 0.9 if optimizer in WITH_MOMENTUM else TrainConfig().optimizer_momentum
    config = replace(CONFIG, optimizer=optimizer, optimizer_momentum=momentum, weight_decay=0.1, gradient_norm=0.5)
    return p, make_optimizer(torch.nn.ParameterList([p]), config)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_step_without_a_finite_gradient_changes_nothing_and_is_told_once(optimizer: str, value: float) -> None:
    p, chosen = limited(optimizer)

    def after(gradient: list[float]) -> tuple[list[float], str]:
        p.grad = torch.tensor(gradient)
        chosen.step()
        return p.tolist(), str(chosen.state_dict())

    before = after([0.3, 0.4])
    with pytest.warns(GradientWarning, match="a step has no finite gradient and changes nothing; a larger F"):
        assert after([1.0, value]) == before
    assert after([1.0, value]) == before  # a second warning would be an error here
    assert after([0.3, 0.4]) != before


def test_a_training_that_has_come_to_nothing_is_ended() -> None:
    p, chosen = limited("adam")
    bad, good = torch.tensor([math.nan, 0.0]), torch.ones(2)
    with pytest.warns(GradientWarning):
        for gradient in [*[bad] * (MOST_IN_A_ROW - 1), good, *[bad] * (MOST_IN_A_ROW - 1)]:
            p.grad = gradient.clone()
            chosen.step()
    p.grad = bad
    with pytest.raises(ValueError, match=f"{MOST_IN_A_ROW} steps in a row had no finite gradient; a larger F"):
        chosen.step()


def test_the_limit_is_held_in_every_step_of_a_training(tmp_path: Path) -> None:
    """Plain descent moves the weights by no more than rate, limit and number of steps allow."""
    config = replace(CONFIG, optimizer="sgd", learning_rate=1.0, epochs=1, batch_size=8)
    begun = [p.detach().clone() for p in build_network(config).parameters()]

    def moved(limit: float) -> float:
        network = train(replace(config, gradient_norm=limit), tmp_path / str(limit), stimulus=toy())
        return math.sqrt(sum(float(((p.detach() - b) ** 2).sum()) for p, b in zip(network.parameters(), begun)))

    steps = -(-toy().n_samples // 8)
    assert 0 < moved(1e-4) <= 1e-4 * steps < moved(0.0)
