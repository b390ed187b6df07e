"""Keys of a configuration said on the command line mean what they mean in a file."""

from __future__ import annotations

import json

import pytest

from ir.check import FormatError
from trainer.config import TrainConfig, from_dict, preset
from trainer.said import said_to


def test_words_change_the_keys_they_name_and_no_other():
    config = preset("digits")
    words = ["learning_rate=3e-4", "keep=last", 'loss = "count"', "options.input_dropout=0.25", "schedule.F=all"]
    values = config.to_dict()
    values |= {"learning_rate": 3e-4, "keep": "last", "loss": "count"}
    values["options"]["input_dropout"], values["schedule"]["F"] = 0.25, None
    assert said_to(config, words).to_dict() == values
    assert said_to(config, []) == config


@pytest.mark.parametrize("word", ['layers=["12","10"]', "layers=[12, 10]", "f_drawn=[1, 'all']", "f-drawn=[1, 0]"])
def test_lists_are_spelled_as_in_a_file(word: str):
    made = said_to(TrainConfig(), [word])
    assert made.layers == ("12", "10") if "layers" in word else made.f_drawn == (1, None)


def test_a_configuration_with_changes_survives_its_file():
    config = said_to(preset("nmnist"), ["options.refractory_dropout=0.5", "f_curriculum=[[0, 'all'], [4, 8]]"])
    assert from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("learning_rate", "KEY=VALUE"), ("=3", "KEY=VALUE"), ("a b=3", "KEY=VALUE"), ("epochs=3\nseed=1", "KEY=VALUE"),
        ("epochs=[", "as TOML spells it"), ("epochs=" + "[" * 900, "as TOML spells it"), ("epoch=3", "unknown keys"),
        ("options.input=3", "unknown keys"), ("epochs.x=3", "no table"), ("nothing.x=3", "no table"),
        ("epochs=many", "whole number"), ("loss=least", "loss"), ("epochs=1 2", "as TOML spells it"),
        ("learning_rate=nan", "learning_rate"), ("options=3", "table"),
    ],
)  # fmt: skip
def test_what_is_no_key_and_value_is_refused_in_a_sentence(word: str, said: str):
    with pytest.raises(FormatError, match="--set") as refused:
        said_to(TrainConfig(), [word])
    assert said in str(refused.value) and "\n" not in str(refused.value)
