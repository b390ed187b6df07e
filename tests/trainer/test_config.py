"""Settings of a training: presets that read, and values that are refused by name before anything runs."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ir import FormatError
from stimuli.data_sets import DATA_SETS
from stimuli.own.options import DataOptions
from tests.trainer.test_fit import CONFIG
from trainer.build import build_network
from trainer.config import from_dict, preset, preset_names
from trainer.fit import schedule_of


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_reads_and_its_network_fits_its_data(name: str) -> None:
    config = preset(name)
    network, data = build_network(config), DATA_SETS[config.data]
    assert network.shapes["input"] == data.input_shape
    assert network.plan().output.stop - network.plan().output.start == data.n_classes


def test_the_data_sets_of_the_paper_have_presets() -> None:
    assert {preset(name).data for name in preset_names()} >= {"nmnist", "shd", "dvsgesture", "cifar10"}


def test_the_cifar10_preset_has_the_published_number_of_neurons() -> None:
    assert build_network(preset("cifar10")).plan().n_neurons == 47_114


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"epoch": 3}, "unknown keys epoch"),
        ({"epochs": 0}, "at least 1"),
        ({"schedule": {"F": -1}}, "at least 1"),
        ({"data": "x"}, "use one of"),
    ],
)
def test_a_bad_configuration_says_what_is_wrong(values: dict, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        from_dict(values)


def test_the_curriculum_and_drawn_groups_change_F() -> None:
    config = replace(CONFIG, f_curriculum=((0, None), (3, 16), (5, 4)))
    assert [config.f_at(e) for e in (0, 2, 3, 4, 5)] == [None, None, 16, 16, 4]


def test_group_and_order_are_drawn_apart_for_each_batch() -> None:
    """Every pair comes up, as often as another, and the same in another run of the same seed."""
    config = from_dict({"f_drawn": [1, 8, "all"], "order_drawn": ["fifo", "random"]})
    drawn = [schedule_of(config, epoch, batch) for epoch in range(3) for batch in range(200)]
    pairs = Counter((s.F, s.order) for s in drawn)
    assert set(pairs) == {(f, order) for f in (1, 8, None) for order in ("fifo", "random")}
    assert min(pairs.values()) > 70
    assert drawn[7] == schedule_of(config, 0, 7)
    assert schedule_of(replace(config, order_drawn=()), 0, 7).order == "momentum"
    assert from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_under_a_curriculum_no_group_below_its_own_is_drawn() -> None:
    config = replace(CONFIG, f_drawn=(1, 8, 64, None), f_curriculum=((0, None), (1, 100), (2, 8), (3, 1)))
    drawn = [{schedule_of(config, epoch, batch).F for batch in range(60)} for epoch in range(4)]
    assert drawn == [{None}, {None}, {8, 64, None}, {1, 8, 64, None}]
    assert schedule_of(replace(config, f_drawn=(1, 8), f_curriculum=((0, 16),)), 0, 0).F == 16


@pytest.mark.parametrize("word", ["all", 0, None])
def test_a_file_says_all_or_as_older_ones_0_and_inside_it_is_None(word: object) -> None:
    config = from_dict({"schedule": {"F": word}, "f_drawn": [1, word], "f_curriculum": [[0, word], [3, 16]]})
    assert config.schedule.F is None
    assert config.f_drawn == (1, None)
    assert config.f_curriculum == ((0, None), (3, 16))
    assert from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("word", [False, 0.0, "none", -1, 1.5, True])
def test_a_group_size_that_is_none_is_one_sentence(word: object) -> None:
    for values in ({"schedule": {"F": word}}, {"f_drawn": [word]}, {"f_curriculum": [[0, word]]}):
        with pytest.raises(FormatError, match=r"^my.toml: .*(None|'all')"):
            from_dict(values, "my.toml")


def test_data_options_are_a_table_or_options_and_come_back_from_json_as_they_were() -> None:
    table = {"sensor": [8, 8, 2], "n_steps": 5}
    config = replace(CONFIG, data="folder:own", data_options={"sensor": (8, 8, 2), "n_steps": 5})
    assert config.data_options == table and from_dict(json.loads(json.dumps(config.to_dict()))) == config
    whole = replace(CONFIG, data="folder:own", data_options=DataOptions(n_steps=5))
    assert whole.data_options["n_steps"] == 5 and whole.data_options["crop"] == []
    with pytest.raises(ValueError, match=r"data_options has unknown keys n_step \(did you mean n_steps\?\)"):
        replace(config, data_options={"n_step": 5})
    with pytest.raises(ValueError, match="data_options have no meaning for data set 'digits'"):
        replace(config, data="digits")


def test_inside_0_is_no_group_size() -> None:
    with pytest.raises(ValueError, match=r"f_drawn is \[8, 0\]; give whole numbers from 1, None .* for all"):
        replace(CONFIG, f_drawn=(8, 0))
    with pytest.raises(ValueError, match=r"f_curriculum .* give pairs"):
        replace(CONFIG, f_curriculum=((0, 0),))


WRONG = {
    "epochs": "many", "batch_size": 16.0, "learning_rate": float("nan"), "weight_decay": -1.0, "layers": "64",
    "tau_mem_s": -1.0, "v_threshold": float("inf"), "f_curriculum": [1, 2], "f_drawn": [-1], "spike_penalty": "x",
    "patience": -1, "shift_px": 1.5, "limit": -5, "seed": 1.5, "engine": "tpu", "tensorboard": "yes", "root": 5,
    "train_tau": "no", "schedule": {"G": 3}, "options": {"alpha": 0.0}, "epoch": 3,
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_setting_that_makes_no_sense_is_one_sentence_that_names_it(name: str) -> None:
    with pytest.raises(
        FormatError, match=f"my.toml.*{'G' if name == 'schedule' else 'alpha' if name == 'options' else name}"
    ):
        from_dict({name: WRONG[name]}, "my.toml")


@pytest.mark.parametrize("word", ["", "0", "-5", "²", "conv 4", "conv 4 0", "conv 4 3 stride 0", "avgpool 0", "9" * 12])
def test_a_layer_that_cannot_be_built_is_one_sentence(word: str) -> None:
    with pytest.raises(ValueError, match=f"^layer '{word}' (is unknown; use a size|has .* weights, at most)"):
        build_network(replace(CONFIG, layers=(word, "10")))


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "gradient_norm", "v_threshold", "spike_penalty"])
@pytest.mark.parametrize("value", [1e300, float("inf")])
def test_a_number_that_float32_cannot_hold_is_refused_by_name(name: str, value: float):
    with pytest.raises(ValueError, match=rf"^{name} is {re.escape(str(value))}; it must be finite"):
        replace(CONFIG, **{name: value})


def test_a_whole_number_beyond_int64_is_a_float_where_one_is_declared():
    assert type(replace(CONFIG, spike_penalty=1 << 70).spike_penalty) is float
    with pytest.raises(ValueError, match=r"learning_rate is above 2\^1023"):
        replace(CONFIG, learning_rate=1 << 1100)


def test_numpys_numbers_are_written_as_pythons() -> None:
    made = preset("digits", epochs=np.int64(3), learning_rate=np.float32(0.5), f_drawn=(np.int64(4), None))
    plain = preset("digits", epochs=3, learning_rate=0.5, f_drawn=(4, None))
    assert made == plain and json.dumps(made.to_dict()) == json.dumps(plain.to_dict())
