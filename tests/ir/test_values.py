"""Values check themselves: whatever a field is given, there is a value or one ValueError, and never anything else."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange import npz
from exchange.chip_toml import find_chip
from ir.check import MAX_SENTENCE, MAX_WORD, FormatError, require, sentence
from ir.chip import IntFormat, Range
from ir.connection import Conv2d, Dense, Sparse
from ir.mapped import Core, one_large_core
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF, FixedLIF
from ir.quantized import FixedPopulation, FixedProjection, QuantizedNetwork
from ir.schedule import Schedule
from ir.stimulus import Stimulus
from ir.trace import Spikes, Trace

WILD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 1 << 31, 1 << 40, 1 << 70, -(1 << 31), -(1 << 70), 0.5, float("nan"), float("inf")),
    *("", "text", "E2", "zero", b"bytes", 1j, (), (1,), (1, 2), (-1,), (0,), ("a",), (1 << 40,), (1 << 20, 1 << 20)),
    *((1,) * 40, (("a", 1),), (("a", -1),), (("a",),), [[1], [1, 2]], {}, {"a": 1}, {1: "a"}, {"a": None}, object()),
    *(np.array([]), np.zeros((0, 2)), np.array([np.nan]), np.array([1.5]), np.array(["a"]), np.array([None])),
    *(np.array([1 << 40]), np.array([1 << 63], np.uint64), np.array([-1]), np.ones((2, 3)), np.ones((2, 2, 2, 2))),
    *(np.ones(3, np.complex64), np.float16(1), np.int64(3), np.array(7), np.array([["a"]]), np.array([1e300])),
)


def values() -> list[Any]:
    """One sound value of every type."""
    plain = Network(
        (Input("in", (2,)),),
        (Population("a", (3,), LIF(0.01, tau_syn_s=0.02, bias=0.5, reset="subtract", multi_spike=True, v_min=-1.0)),),
        (Projection("in", "a", Dense(np.ones((3, 2))), 1),),
        "a",
        metadata={"from": "here"},
    )
    fixed = QuantizedNetwork(
        (Input("in", (2,)),),
        (FixedPopulation("a", (3,), FixedLIF(4, bias=np.array([1, 2, 3]), v_min=-64)),),
        (FixedProjection("in", "a", Dense(np.ones((3, 2), np.int32)), 1, np.array([0, 2])),),
        "a",
    )
    spikes = Spikes(*np.array([(7, 0, 0, 1, 5, 0), (7, 1, 1, 2, 6, -1)]).T)
    trace = Trace(
        "E2", spikes, np.array([[0, 1, 1]]), dict.fromkeys("vu", np.zeros((2, 1, 3), int)),
        np.array([[1], [2]]), np.array([7]),
        (("a", 3),), "a", labels=np.array([1]), core_of_neuron=np.zeros(3, int),
    )  # fmt: skip
    stimulus = Stimulus(np.ones((2, 1, 2), np.int8), np.array([7]), np.array([1]), stamped((2, 1, 2)))
    chip = find_chip("loihi2")
    mapped = replace(one_large_core(fixed), chip=chip, report={"km1": 3.0})
    conv, sparse = (
        Conv2d(np.ones((1, 1, 2, 2)), (1, 4, 4)),
        Sparse(np.array([0, 1, 2]), np.array([0, 1]), np.ones(2), 2),
    )
    return [
        *(
            plain,
            fixed,
            mapped,
            trace,
            spikes,
            stimulus,
            chip,
            chip.limits,
            chip.mesh,
            chip.synapse_format,
            conv,
            sparse,
        ),
        *(IntFormat(-1, 1), Range(1.0, 0.0, 2.0), Core(0), Schedule(), plain.inputs[0], plain.populations[0]),
        *(plain.populations[0].neuron, plain.projections[0], plain.projections[0].connection, fixed.populations[0]),
        *(fixed.populations[0].neuron, fixed.projections[0]),
    ]


def stamped(shape: tuple[int, int, int]) -> Any:
    """An event for each count of a batch of ones."""
    t, b, i = (x.reshape(-1) for x in np.indices(shape))
    return np.stack([b, t, i, i], 1)


@pytest.mark.parametrize("value", values(), ids=lambda x: type(x).__name__)
def test_a_field_takes_what_it_can_hold_and_refuses_all_else_in_one_sentence(value: Any):
    taken, refused = 0, 0
    for field in fields(value):
        for wild in WILD:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    made = replace(value, **{field.name: wild})
                except ValueError as error:
                    refused += 1
                    said = str(error)
                    assert said and said == sentence(said), (field.name, wild)
                else:
                    taken += 1
                    assert replace(made) is not None
    assert refused > len(WILD) // 2
    assert taken > 0


FORGED: dict[str, tuple[type, dict[str, Any], str]] = {
    "an index beyond 32 bits is not wrapped": (Sparse, {"indices": np.array([0, 1 << 32])}, "Sparse indices must lie"),
    "a fraction is not cut off": (Sparse, {"indptr": np.array([0.0, 1.7, 2.0])}, "Sparse indptr has type float64"),
    "text is no weight": (Dense, {"weight": np.array([["1"]])}, "Dense weight has type <U1"),
    "weights are real": (Conv2d, {"weight": np.ones((1, 1, 2, 2), complex)}, "Conv2d weight has type complex128"),
    "padding is bounded": (Conv2d, {"padding": (1 << 20, 1 << 20), "stride": (1 << 20,) * 2}, "at most 16777216"),
    "a population is bounded": (Population, {"shape": (1 << 20, 1 << 20)}, "has 1099511627776 neurons"),
    "a name is a word": (Population, {"name": 3}, "the name of a population is 3"),
    "a neuron is a neuron": (Population, {"neuron": None}, "the neuron of population 'a' is None"),
    "a network holds populations": (Network, {"populations": (1,)}, "one of the populations is 1"),
    "metadata are words": (Network, {"metadata": {"a": 1}}, "metadata 'a' is 1"),
    "a threshold is no fraction": (FixedLIF, {"v_threshold": 1.5}, "v_threshold has type float64"),
    "a delay is whole": (Projection, {"delay_steps": 0.5}, "delay_steps of projection in -> a has type float64"),
    "a group is bounded": (Schedule, {"F": 1 << 70}, "it must lie in 1..2147483647"),
    "a spike's neuron exists": (Trace, {"spikes": ("neuron", 3)}, "a spike is of neuron 3, of 3"),
    "a spike's time step exists": (Trace, {"spikes": ("t", 2)}, "a spike is in time step 2, of 2"),
    "a spike's sample exists": (Trace, {"spikes": ("sample", 8)}, "a spike is of sample 8"),
    "a spike's forward step exists": (Trace, {"spikes": ("k", 2)}, "after the last forward step"),
    "a spike is not negative": (Spikes, {"neuron": np.array([-1, 2])}, "spikes: neuron must lie in 0.."),
    "a membrane is finite": (Spikes, {"m": np.array([np.nan, 1.0])}, "spikes: m holds nan"),
    "counts are the spikes'": (Trace, {"counts": np.array([[5, 1, 1]])}, "counts are not its spikes'"),
    "counts have two sides": (Trace, {"forward_steps": np.array([1, 2])}, "forward_steps have shape (2,)"),
    "counts are there": (Trace, {"counts": None}, "trace counts has type object"),
    "membranes are finite": (Trace, {"states": {"v": np.full((2, 1, 3), np.inf)}}, "trace v holds inf at (0, 0, 0)"),
    "currents have a shape": (Trace, {"states": {"u": np.zeros((2, 3))}}, "has u of shape (2, 3)"),
    "states are arrays by name": (Trace, {"states": None}, "the states of a trace"),
    "a state is no other field": (Trace, {"states": {"counts": np.zeros((2, 1, 3))}}, "which is something else"),
    "labels have a shape": (Trace, {"labels": np.zeros(3, int)}, "has labels of shape (3,)"),
    "cores have a shape": (Trace, {"core_of_neuron": np.zeros(4, int)}, "has core_of_neuron of shape (4,)"),
    "the executor is one of ours": (Trace, {"executor": "E9"}, "the executor of a trace is 'E9'"),
    "limits are counted": (Trace, {"limits_reached": {"v": -1}}, "limits_reached 'v' is -1"),
    "ids differ": (Stimulus, {"frames": np.ones((1, 2, 1)), "sample_ids": [3, 3], "labels": None, "events": None},
                   "two samples have the same id"),
    "events have four columns": (Stimulus, {"events": np.zeros((4, 3), int)}, "events have shape (4, 3)"),
    "labels are whole": (Stimulus, {"labels": np.array([0.5])}, "labels has type float64"),
    "a core's place is whole": (Core, {"x": 0.5}, "x of a core is 0.5"),
    "a chip's limits are limits": (type(find_chip("loihi2")), {"limits": 3}, "limits of a chip is 3"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "said"), FORGED.values(), ids=FORGED)
def test_a_forged_field_is_named(kind: type, changes: dict[str, Any], said: str):
    value = next(v for v in values() if type(v) is kind)
    if kind is Trace and isinstance(changes.get("spikes"), tuple):
        name, wrong = changes["spikes"]
        column = np.array(getattr(value.spikes, name))
        column[-1] = wrong
        changes = {"spikes": replace(value.spikes, **{name: column})}
    with pytest.raises(ValueError) as caught:
        replace(value, **changes)
    assert said in str(caught.value)


def test_a_neuron_spikes_once_in_a_forward_step():
    trace = next(v for v in values() if isinstance(v, Trace))
    twice = Spikes(*np.array([(7, 0, 0, 1, 5, 0)] * 2).T)
    with pytest.raises(ValueError, match="a neuron spikes twice"):
        replace(trace, spikes=twice, counts=np.array([[0, 2, 0]]))


def test_what_is_frozen_is_shared_and_what_can_be_written_is_copied():
    weight = Dense(np.ones((2, 2))).weight
    assert Dense(weight).weight is weight
    own = np.ones((2, 2))
    view = own.view()
    view.setflags(write=False)
    held = Dense(view)
    own[0, 0] = 9
    assert held.weight[0, 0] == 1 and not held.weight.flags.writeable


SENTENCES = {
    "a colour": ("\x1b[31mred", "\\x1b[31mred"),
    "a bell": ("ring\a", "ring\\x07"),
    "a C1 control": ("\x9b31m", "\\x9b31m"),
    "a direction": ("\u202etxt.exe", "\\u202etxt.exe"),
    "half a pair": ("\ud800", "\\ud800"),
    "lines": ("one\n\ntwo\r\tthree\u2028four", "one two three\\u2028four"),
    "other letters": ("Ünïcode 東京", "Ünïcode 東京"),
}


@pytest.mark.parametrize(("given", "shown"), SENTENCES.values(), ids=SENTENCES)
def test_a_sentence_prints(given: str, shown: str):
    assert sentence(given) == shown == str(FormatError(given))
    with pytest.raises(ValueError) as caught:
        require(False, given)
    assert str(caught.value) == shown


@pytest.mark.parametrize(
    "name", ["x" * 10_000_000, "x " * 5_000_000, "\x1b" * 1_000_000], ids=["word", "words", "controls"]
)
def test_a_sentence_is_cut_in_the_middle(name: str):
    said = sentence(f"projection {name} -> b has no weights; give it some")
    assert said.startswith("projection ") and said.endswith("; give it some") and "..." in said
    assert len(said) <= MAX_SENTENCE and max(map(len, said.split())) <= max(MAX_WORD, 300)


def test_a_schedule_of_numpys_whole_numbers_is_that_of_pythons(tmp_path: Path, network: Network):
    plain = Schedule(F=8, input="paced", R=3, stop_after=4, stop_after_output=0, seed=8)
    numbers = {"F": np.int64(8), "R": np.uint8(3), "stop_after": np.int32(4), "stop_after_output": np.int16(0)}
    made = Schedule(input="paced", seed=np.int64(8), **numbers)  # type: ignore[arg-type]
    assert made == plain and hash(made) == hash(plain) and repr(made) == repr(plain)
    assert json.dumps(asdict(made)) == json.dumps(asdict(plain))
    npz.save(replace(network, schedule=made), tmp_path / "network.npz")
    assert npz.load(tmp_path / "network.npz", Network).schedule == plain
    for wrong in (True, np.bool_(True), 8.0, "8", np.float64(8)):
        with pytest.raises(ValueError, match=r"^schedule F is .*; give a whole number, at least 1, or None$"):
            Schedule(F=wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"^schedule seed is .*; give a whole number$"):
            Schedule(seed=wrong)  # type: ignore[arg-type]
