"""Whatever kind of value a public function is given: it takes it, or raises a ``ValueError`` with one sentence."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import unlayered as ul
from ir.connection import Dense
from ir.mapped import MappedNetwork
from ir.neurons import LIF

RESULTS = ("Data", "Diff", "Divergence", "Statistics")
"""What functions return, and nobody makes."""

FRAMES = np.ones((5, 12), int)


class Taken(Exception):
    """A call came as far as what takes long: to train, or to look for causes."""


def module() -> ul.SpikingNetwork:
    return ul.SpikingNetwork.sequential((12,), nn.Linear(12, 3, bias=False), ul.LIF(tau_mem_s=1e-2))


@pytest.fixture
def own() -> ul.Data:
    found = ul.data([(FRAMES, 0), (FRAMES, 1)])
    assert isinstance(found, ul.Data)
    return found


@pytest.fixture
def wrong(mapped: MappedNetwork, network: ul.Network, stimulus: ul.Stimulus, own: ul.Data) -> dict[str, Any]:
    """One value of each kind that a user has at hand."""
    plain = {"None": None, "word": "layered", "number": 7, "negative": -3, "fraction": 2.5, "true": True, "bytes": b"a"}
    many = {"array": np.zeros((3, 1, 8), int), "list": [1, "a"], "tuple": (1, 2), "dict": {"a": 1}, "set": {1}}
    ours = {"mapped": mapped, "network": network, "stimulus": stimulus, "data": own, "module": module()}
    return {**plain, **many, **ours, "trace": ul.run(mapped, stimulus), "schedule": ul.Schedule(), "class": ul.Schedule}


def of(value: object) -> dict[str, Any]:
    """What a dataclass is made of."""
    return {f.name: getattr(value, f.name) for f in fields(value)}  # type: ignore[arg-type]


@pytest.fixture
def right(
    mapped: MappedNetwork, network: ul.Network, stimulus: ul.Stimulus, own: ul.Data, tmp_path: Path
) -> dict[str, dict[str, Any]]:
    """What each public function takes: all of its arguments, by name."""
    ul.save(network, tmp_path / "network.nir")
    trace = ul.run(mapped, stimulus, keep_state=True)
    snntorch = pytest.importorskip("snntorch")
    model = nn.Sequential(nn.Linear(12, 3), snntorch.Leaky(beta=0.9), nn.Linear(3, 2), snntorch.Leaky(beta=0.9))
    config = ul.TrainConfig(data="own", layers=("2",), epochs=1)
    neuron = LIF(5e-3, 0.5)
    return {
        "LIF": {p.name: p.default for p in inspect.signature(ul.LIF).parameters.values()} | {"tau_mem_s": 1e-2},
        "DataOptions": of(ul.DataOptions()),
        "Input": {"name": "in", "shape": (3,)},
        "Network": of(network),
        "Population": {"name": "a", "shape": (3,), "neuron": neuron},
        "Projection": {"pre": "a", "post": "b", "connection": Dense(np.ones((2, 2))), "delay_steps": 0},
        "QuantizedNetwork": of(mapped.network),
        "Schedule": of(ul.Schedule()),
        "SpikingNetwork": {
            "inputs": {"in": (12,)},
            "populations": {"out": ul.LIF(tau_mem_s=1e-2)},
            "projections": [("in", "out", nn.Linear(12, 3))],
            "schedule": None,
            "encoder": None,
        },
        "State": of(trace.state),
        "Stimulus": of(stimulus),
        "Trace": of(trace),
        "TrainConfig": of(config),
        "TrainableNetwork": {"network": network, "schedule": None, "train_threshold": False},
        "chips": {},
        "coded": {"stimulus": ul.Stimulus(np.ones((1, 2, 3))), "code": "delta", "n_steps": None, "threshold": 0.1},
        "compare": {"a": trace, "b": trace},
        "data": {
            "source": [(FRAMES, 0)], "split": "test", "samples": 1, "root": None, "options": None, "stamps": False
        },
        "diff": {"a": trace, "b": trace, "stimulus": stimulus, "on": "reference"},
        "from_snntorch": {
            "model": model, "in_shape": (12,), "dt_s": 1e-3, "layers": None, "pool": None, "encoder": 0
        },
        "map": {
            "network": network, "chip": "loihi2", "weight_bits": 8, "rates": None, "preset": "fast", "seed": 0,
            "calibrate": None,
        },
        "open": {"path": tmp_path / "network.nir", "as_": None, "dt_s": None, "pool": None},
        "preset": {"name": "digits", "epochs": 3, "schedule": ul.Schedule()},
        "run": {
            "network": mapped, "stimulus": stimulus, "schedule": None, "on": "reference", "progress": None,
            "state": None, "keep_state": False,
        },
        "save": {"value": mapped, "path": tmp_path / "mapped.npz"},
        "statistics": {"trace": trace},
        "train": {"config": config, "out": tmp_path / "out", "resume": False, "data": own},
        "train_on_grid": {"network": module(), "chip": "loihi2", "weight_bits": 8},
        "with_encoder": {"network": network, "populations": 1},
    }  # fmt: skip


def refused(call: Callable[[], Any]) -> str:
    """The sentence that the call raised; empty where it went through."""
    try:
        call()
    except Taken:
        return ""
    except ValueError as error:
        said = str(error)
        assert said and "\n" not in said and not said.startswith(("The truth value", "could not convert")), said
        return said
    return ""


TAKEN = {
    ("LIF", "tau_mem_s"): "number fraction tuple",
    ("compare", "a"): "trace",
    ("compare", "b"): "trace",
    ("coded", "stimulus"): "stimulus data",
    ("diff", "a"): "mapped network trace",
    ("diff", "b"): "mapped network trace",
    ("diff", "stimulus"): "None stimulus",  # the traces hold samples that the data lack
    ("from_snntorch", "layers"): "None",
    ("from_snntorch", "model"): "",
    ("map", "calibrate"): "None stimulus data",
    ("map", "chip"): "",
    ("map", "network"): "mapped network",
    ("map", "rates"): "None",
    ("map", "seed"): "number",
    ("map", "weight_bits"): "number",
    ("open", "dt_s"): "None",  # the file says its own
    ("open", "path"): "",
    ("preset", "schedule"): "schedule",
    ("run", "keep_state"): "true",
    ("run", "network"): "mapped network",
    ("run", "progress"): "None",
    ("run", "schedule"): "None schedule",
    ("run", "state"): "None",
    ("run", "stimulus"): "stimulus data",
    ("save", "path"): "",
    ("save", "value"): "mapped network stimulus trace",
    ("statistics", "trace"): "trace",
    ("train", "config"): "",
    ("train", "data"): "None stimulus data",
    ("train", "out"): "word",
    ("train", "resume"): "true",
    ("train_on_grid", "chip"): "",
    ("train_on_grid", "network"): "module",
    ("train_on_grid", "weight_bits"): "number",
    ("with_encoder", "network"): "network",
    ("with_encoder", "populations"): "",
    ("Schedule", "F"): "None number",
    ("Schedule", "seed"): "number negative",
    ("SpikingNetwork", "schedule"): "None schedule",
    ("SpikingNetwork", "encoder"): "None",
    ("TrainConfig", "options"): "",
    ("TrainConfig", "schedule"): "schedule",
    ("TrainConfig", "f_drawn"): "tuple",
    ("TrainConfig", "f_curriculum"): "",
    ("data", "samples"): "None number",
    ("data", "root"): "None word",
}
"""The kinds that an argument takes, of those that are tried; every other one is refused."""


@pytest.mark.filterwarnings("ignore:the forward of SpikingNetwork")
@pytest.mark.parametrize("name", [name for name in ul.__all__ if name not in RESULTS])
def test_a_value_of_a_wrong_kind_is_refused_in_one_sentence(
    name: str, wrong: dict[str, Any], right: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    def stop(*_: Any, **__: Any) -> None:
        raise Taken

    for long in ("trainer.train", "unlayered.causes.pair.diff_of"):
        monkeypatch.setattr(long, stop)
    call, given = getattr(ul, name), right[name]
    for argument in given:
        said = {kind: refused(partial(call, **{**given, argument: value})) for kind, value in wrong.items()}
        if (name, argument) in TAKEN:
            assert [kind for kind in wrong if not said[kind]] == TAKEN[name, argument].split(), (argument, said)


SENTENCES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "frames of a run": (
        lambda x: ul.run(x.mapped, np.zeros((3, 1, 12), int)),
        r"^the stimulus is a ndarray; give ul\.Stimulus\(frames\) of an array \(T, B, N\), or what ul\.data returns$",
    ),
    "schedule of a run": (
        lambda x: ul.run(x.mapped, x.stimulus, "layered"),
        r"^the schedule .*Schedule\(kind='layered'\)$",
    ),
    "of floats": (lambda x: ul.run(x.network, x.stimulus, ""), r"^the schedule is ''; give a Schedule"),
    "state of a run": (
        lambda x: ul.run(x.mapped, x.stimulus, state=ul.run(x.mapped, x.stimulus)),
        r"^the state is a Trace; give what a run with keep_state left, trace\.state$",
    ),
    "progress": (lambda x: ul.run(x.mapped, x.stimulus, progress=0), "^progress is no function; give "),
    "compare": (
        lambda x: ul.compare(x.mapped, x.mapped),
        "^the first trace is a MappedNetwork; give what a run returns",
    ),
    "statistics": (
        lambda x: ul.statistics(x.mapped),
        "^the trace is a MappedNetwork; give what a run returns, a Trace$",
    ),
    "diff": (lambda x: ul.diff(x.mapped, x.stimulus), "^a Stimulus is no frozen network; give a network$"),
    "encoder": (lambda x: ul.with_encoder(x.mapped, 1), "^the network is a MappedNetwork; give a network of floats"),
    "configuration": (lambda x: ul.train({"a": 1}, "o"), "^the configuration is a dict; give the name of a preset, or"),
    "data in the place of resume": (
        lambda x: ul.train("digits", "o", x.stimulus),
        "^resume is a Stimulus; give True or F",
    ),
    "unknown key": (
        lambda x: ul.preset("digits", epoch=3),
        r"^preset has unknown keys epoch \(did you mean epochs\?\)",
    ),
    "no time steps": (
        lambda x: ul.map(x.network, calibrate=x.stimulus.steps(0, 0)),
        "^the calibration has 0 time steps of 3 samples; give at least one time step of one sample$",
    ),
    "no samples": (
        lambda x: ul.map(x.network, calibrate=x.stimulus.select(slice(0))),
        "^the calibration has 5 time steps of 0 samples;",
    ),
    "width": (
        lambda x: ul.map(x.network, calibrate=ul.Stimulus(np.ones((5, 2, 3), int))),
        "^the calibration has 3 inputs a frame, the network has 12; choose",
    ),
    "no sample of a data set": (lambda x: ul.data("digits", samples=0), r"^samples is 0; it must lie in 1\.\."),
    "fewer than none": (lambda x: ul.data("digits", samples=-3), r"^samples is -3; it must lie in 1\.\."),
    "a part of a sample": (lambda x: ul.data("digits", samples=2.5), r"^samples is 2\.5; give a whole number in 1\.\."),
    "frames of a module": (lambda x: module()(x.stimulus), r"^frames is a Stimulus; give a tensor \(T, B, \.\.\.\)"),
    "schedule of a module": (
        lambda x: module()(torch.ones(5, 2, 12), "layered"),
        "^the schedule is 'layered'; give a Sch",
    ),
    "state of a module": (
        lambda x: module()(torch.ones(5, 2, 12), state=3),
        "^the state is 3; give the state of the call",
    ),
    "layers": (
        lambda x: ul.SpikingNetwork({"a": (3,)}, {"b": ul.LIF(0.1)}, [1]),
        r"^projections hold 1; give \(pre, post",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_the_sentence_says_what_to_give(case: str, mapped: MappedNetwork, network: ul.Network, stimulus: ul.Stimulus):
    call, said = SENTENCES[case]
    with pytest.raises(ValueError, match=said):
        call(SimpleNamespace(mapped=mapped, network=network, stimulus=stimulus))


def test_a_chip_may_be_named_by_a_path_and_samples_by_a_number_of_numpy(network: ul.Network, own: ul.Data):
    assert ul.map(network, Path("loihi1")).chip == ul.chips()["loihi1"]
    some = ul.data([(FRAMES, 0), (FRAMES, 1)], samples=np.int64(1))
    assert isinstance(some, ul.Data) and len(some) == 1 and len(own) == 2


def test_a_network_with_an_encoder_is_calibrated_on_what_its_encoder_sends(network: ul.Network):
    currents = ul.Stimulus(np.random.default_rng(3).random((5, 3, 12)).astype(np.float32))
    made = ul.map(ul.with_encoder(network, 1), calibrate=currents)
    assert made.network.encoder is not None and ul.run(made, currents).host is not None
