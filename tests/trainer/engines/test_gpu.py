"""The Triton engine against the reference: on a GPU where there is one, else in Triton's interpreter.

The interpreter must be chosen before Triton is loaded, so without a GPU one test runs this file in another process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from ir import Network, Schedule
from tests.strategies import Draw, cases
from tests.trainer.engines.agreement import OPTIONS, Case, backward, dyadic, trained
from tests.trainer.engines.test_small_cases import chain, constant, ones
from trainer.engines import choose, reference
from trainer.engines.call import Call
from trainer.engines.gpu import run as gpu
from trainer.engines.numbers import FixedNumbers
from trainer.engines.options import EVALUATION, TrainingOptions
from trainer.engines.plan import Params, float_params, plan_of
from trainer.engines.result import Recording, Result
from trainer.surrogate import SURROGATES

triton: Any = pytest.importorskip("triton")
HAS_GPU, INTERPRETED = torch.cuda.is_available(), os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if HAS_GPU else "cpu"
runs = pytest.mark.skipif(not (HAS_GPU or INTERPRETED), reason="runs in the interpreter's process")
NOISY = TrainingOptions(refractory_dropout=0.5, spike_dropout=0.25, momentum_noise=0.125, input_dropout=0.25)


@pytest.mark.skipif(HAS_GPU or INTERPRETED, reason="the tests below run here")
def test_the_gpu_engine_agrees_with_the_reference_in_tritons_interpreter() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", __file__]
    done = subprocess.run(command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def moved(params: Params) -> Params:
    """The same numbers where the engine runs, learning."""
    copies = {name: x.detach().clone().to(DEVICE) for name, x in params.lif.named().items()}
    lif = replace(params.lif, **copies)
    return trained(Params([w.detach().clone().to(DEVICE) for w in params.weights], {"lif": lif}))


def assert_agree(network: Any, params: Params, frames: torch.Tensor, ids: torch.Tensor, schedule: Schedule,
                 options: TrainingOptions, tolerance: float = 1e-9) -> Result:  # fmt: skip
    """Same spikes, membranes and forward steps; gradients within a tolerance. Returns the reference's result."""
    results, gradients = [], []
    for engine in (reference, gpu):
        own = moved(params)
        result = engine.run(Call(plan_of(network), own, frames.to(DEVICE), ids.to(DEVICE), schedule, options))
        results.append(result)
        gradients.append(backward(result, own))
    slow, fast = results
    assert torch.equal(slow.counts, fast.counts)
    assert torch.equal(slow.forward_steps, fast.forward_steps)
    assert torch.equal(slow.v, fast.v)
    for a, b in zip(*gradients):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * (1 + float(a.abs().sum())))
    return slow


@runs
@settings(max_examples=5 if INTERPRETED else 100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    cases(Draw(current=False, resets=False, subtract=False, max_populations=3, max_side=6)),
    OPTIONS.filter(lambda options: options.silent_gradient not in ("carried", "rest")),  # which are refused
)
def test_drawn_networks_spike_alike_and_their_gradients_agree(case: Case, options: TrainingOptions) -> None:
    mapped, stimulus, schedule = case
    populations = tuple(replace(p, neuron=replace(p.neuron, v_min=None)) for p in mapped.network.populations)
    mapped = replace(mapped, network=replace(mapped.network, populations=populations))
    schedule = replace(schedule, input="first", R=None, scope="network")
    frames = torch.as_tensor(stimulus.frames.copy())[:3]
    ids = torch.as_tensor(np.array(stimulus.sample_ids))
    assert_agree(mapped.network, dyadic(mapped), frames, ids, schedule, options)


def small_chain(seed: int = 0) -> tuple[Network, torch.Tensor]:
    """Six inputs, layers of nine, seven and four neurons; two samples of three time steps."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [(9, 6), (7, 9), (4, 7)]
    weights = [torch.randint(-8, 13, size, generator=generator).double().numpy() / 16 for size in sizes]
    frames = (torch.rand(3, 2, 6, generator=generator) < 0.6).double()
    return chain(weights, v_threshold=0.5, tau_mem_s=1.0, bias=0.125), frames


@runs
@pytest.mark.parametrize(("order", "group"), [("random", 2), ("momentum", 3), ("fifo", 1), ("random", None)])
def test_every_order_with_every_noise(order: str, group: int | None) -> None:
    network, frames = small_chain()
    params = float_params(network, torch.float64)
    params.lif.leak_v = torch.full_like(params.lif.leak_v, 0.25)
    schedule = Schedule(F=group, order=order, seed=5)  # type: ignore[arg-type]
    slow = assert_agree(network, params, frames, torch.tensor([7, 3]), schedule, NOISY)
    assert slow.counts.sum() > 20 and int(slow.forward_steps.max()) > 2


@runs
def test_single_precision_keeps_the_spikes_and_gradients_to_one_in_ten_thousand() -> None:
    network, frames = small_chain(1)
    params = float_params(network)
    params.lif.leak_v = torch.full_like(params.lif.leak_v, 0.25)
    assert_agree(network, params, frames.float(), torch.arange(2), Schedule(F=2, order="random"), NOISY, 1e-4)


@runs
def test_a_time_step_longer_than_the_tape_has_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "ROUNDS_ON_TAPE", 3)
    network, frames = small_chain(2)
    schedule = Schedule(F=1, order="random")
    slow = assert_agree(
        network, float_params(network, torch.float64), frames[:2], torch.arange(2), schedule, EVALUATION
    )
    assert int(slow.forward_steps.max()) > 6, "more than two tapes"


@runs
@pytest.mark.parametrize("name", SURROGATES)
def test_every_surrogate_has_the_same_gradients(name: str) -> None:
    network, frames = small_chain(1)
    options, schedule = TrainingOptions(surrogate=name, alpha=1.5, peak=0.4), Schedule(F=2, order="random")
    assert_agree(network, float_params(network, torch.float64), frames[:2], torch.arange(2), schedule, options)


@runs
@pytest.mark.parametrize("stop", [{"stop_after": 2}, {"stop_after_output": 0}])
def test_forced_stops_give_a_sample_its_own_gradient(stop: dict[str, int]) -> None:
    network, frames = small_chain(3)
    schedule = Schedule(F=2, **stop)  # type: ignore[arg-type]
    assert_agree(network, float_params(network, torch.float64), frames, torch.arange(2), schedule, EVALUATION)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schedule": Schedule(input="queued")}, "input 'queued'"),
        ({"schedule": Schedule(scope="core")}, "a queue a core"),
        ({"numbers": FixedNumbers()}, "integers"),
        ({"recording": Recording()}, "a recording"),
    ],
)
def test_what_it_does_not_run_is_said_with_the_engine_that_does(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"{words}.*use engine 'reference'"):
        gpu.run(replace(small_call(constant([[1.0, 1.0]])), **change))


def small_call(frames: Any) -> Call:
    """Two inputs, three neurons."""
    network = ones(2, 3)
    return Call(plan_of(network), float_params(network), frames, torch.arange(2), Schedule())


def test_tensors_on_a_gpu_choose_this_engine_where_it_can_run() -> None:
    there = small_call(SimpleNamespace(device=torch.device("cuda"), requires_grad=False))
    schedules = Schedule(), Schedule(input="queued"), Schedule("layered")
    chosen = [choose("auto", replace(there, schedule=schedule)) for schedule in schedules]
    assert chosen == ["gpu", "reference", "reference"]
    assert choose("auto", small_call(torch.zeros(1))) == "cpu"


@pytest.mark.parametrize(("engine", "device"), [("cpu", "cuda"), ("gpu", "cpu")])
def test_an_engine_named_for_tensors_elsewhere_is_refused(
    engine: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    there = small_call(SimpleNamespace(device=torch.device(device)))
    with pytest.raises(ValueError, match=f"engine '{engine}' does not run tensors on '{device}'"):
        choose(engine, there)


@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.parametrize("number", ["fp32", "fp64"])
@pytest.mark.parametrize("kernel", ["run_samples", "back_through_samples"])
def test_the_kernels_compile_for_a_gpu_that_need_not_be_here(
    kernel: str, number: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from trainer.engines.gpu import kernels

    function = getattr(kernels, kernel)
    small = {name: "*i32" for name in ("reach", "depth", "refractory", "sends", "tape_code")}
    known = {**small, "prefix": "*i64", "steps": "*i64"}
    known |= {name: "i32" for name in ("n_steps", "n_samples", "n", "out_start", "out_stop", "room_of_tape")}
    rules = {"block": 256, "group": 8, "order": 1, "biased": True, "escape": 0.8, "noise": 1e-6, "drop": 0.1}
    rules |= {"last_due": 1, "stop_after": -1, "stop_after_output": 2, "shape": 2, "steep": 2.0, "peak": 0.5}
    rules |= {"silent": 0}
    kinds = {name: "constexpr" if name in rules else known.get(name, f"*{number}") for name in function.arg_names}
    fixed = {(i,): rules[name] for i, name in enumerate(function.arg_names) if name in rules}
    made = triton.compile(ASTSource(function, kinds, fixed), target=GPUTarget("cuda", 80, 32))
    assert "ptx" in made.asm
