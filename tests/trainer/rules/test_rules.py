"""A training rule is a value: chosen by name, kept with the run, resumed with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from exchange import npz
from ir import FormatError, Network
from tests.toys.signs import Signs
from tests.trainer.test_fit import CONFIG, toy
from trainer.config import TrainConfig, from_dict, read_toml
from trainer.fit import train
from trainer.rules import RULES


def weights(folder: Path) -> list[np.ndarray]:
    return [p.connection.weight for p in npz.load(folder / "network.npz", Network).projections]


@pytest.fixture
def signs(monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    """A run of the toy rule, which is in the table of rules and nowhere else."""
    monkeypatch.setitem(RULES, "signs", Signs())
    return replace(CONFIG, rule="signs", learning_rate=1e-2)


def test_a_rule_that_is_in_no_table_is_refused_with_the_one_meant() -> None:
    with pytest.raises(ValueError, match=r"rule is 'surogate' \(did you mean surrogate\?\); use one of 'surrogate'"):
        replace(CONFIG, rule="surogate")
    with pytest.raises(FormatError, match=r"run.toml: rule is 7; give text in quotes"):
        from_dict({"rule": 7}, "run.toml")


def test_a_rule_from_the_table_alone_trains_and_resumes_bit_for_bit(signs: TrainConfig, tmp_path: Path) -> None:
    train(replace(signs, epochs=1), tmp_path / "cut", stimulus=toy())
    train(replace(signs, epochs=3), tmp_path / "cut", resume=True, stimulus=toy())
    train(replace(signs, epochs=3), tmp_path / "whole", stimulus=toy())
    train(replace(CONFIG, learning_rate=1e-2, epochs=3), tmp_path / "surrogate", stimulus=toy())
    whole, cut, other = (weights(tmp_path / name) for name in ("whole", "cut", "surrogate"))
    for a, b in zip(whole, cut):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(whole, other))
    assert json.loads((tmp_path / "whole" / "config.json").read_text())["rule"] == "signs"


def test_a_run_is_not_resumed_under_another_rule(signs: TrainConfig, tmp_path: Path) -> None:
    train(replace(signs, epochs=1), tmp_path, stimulus=toy())
    with pytest.raises(FormatError, match="another configuration"):
        train(replace(signs, rule="surrogate"), tmp_path, resume=True, stimulus=toy())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"momentum_buffer": torch.ones(2)}, "its momentum_buffer has another shape"),
        ({"momentum_buffer": "x"}, "its momentum_buffer is no number"),
        ({"momentum_buffer": float("nan")}, "its momentum_buffer is no longer finite"),
    ],
)
def test_what_another_optimizer_kept_is_looked_at(
    signs: TrainConfig, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    train(replace(signs, epochs=1), tmp_path, stimulus=toy())
    content = torch.load(tmp_path / "last.pt", weights_only=True)
    content["optimizer"]["state"][0] = change
    torch.save(content, tmp_path / "last.pt")
    with pytest.raises(FormatError, match=f"no checkpoint of ours \\({words}"):
        train(replace(signs, epochs=2), tmp_path, resume=True, stimulus=toy())


def test_a_checkpoint_of_an_earlier_release_goes_on(tmp_path: Path) -> None:
    """Releases before this one wrote neither rule nor data_options, and 0 where F means all."""
    config = replace(CONFIG, f_drawn=(2, None))
    train(replace(config, epochs=2), tmp_path / "whole", stimulus=toy())
    train(replace(config, epochs=1), tmp_path / "old", stimulus=toy())
    for name in ("last.pt", "best.pt"):
        content = torch.load(tmp_path / "old" / name, weights_only=True)
        values = json.loads(content["config"])
        assert (values.pop("rule"), values.pop("data_options")) == ("surrogate", {})
        content["config"] = json.dumps({**values, "f_drawn": [2, 0]}, sort_keys=True)
        torch.save(content, tmp_path / "old" / name)
    train(replace(config, epochs=2), tmp_path / "old", resume=True, stimulus=toy())
    for a, b in zip(weights(tmp_path / "whole"), weights(tmp_path / "old")):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("values", ["[]", '{"epochs": "many"}', '{"of_a_later_release": 1}'])
def test_a_checkpoint_whose_configuration_cannot_be_read_belongs_to_another(tmp_path: Path, values: str) -> None:
    train(replace(CONFIG, epochs=1), tmp_path, stimulus=toy())
    content = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.save({**content, "config": values}, tmp_path / "last.pt")
    with pytest.raises(FormatError, match="belongs to another configuration"):
        train(replace(CONFIG, epochs=2), tmp_path, resume=True, stimulus=toy())


def test_a_configuration_that_names_no_rule_is_of_surrogate_gradients(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("epochs = 3\n")
    assert read_toml(tmp_path / "run.toml").rule == "surrogate"
