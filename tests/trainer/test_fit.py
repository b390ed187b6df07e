"""Training repeats, resumes and shards without a bit of difference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from exchange import npz
from exchange.chip_toml import find_chip
from ir import FormatError, Network, QuantizedNetwork, Schedule, Stimulus
from mapper import map_network
from stimuli.data_sets import DATA_SETS
from trainer import fit
from trainer.batches import batch_of, batches, shifted, split
from trainer.build import build_network
from trainer.config import TrainConfig
from trainer.execute import run
from trainer.fit import train
from trainer.rules import RULES

CONFIG = TrainConfig(layers=("8", "10"), epochs=2, batch_size=16, seed=5, schedule=Schedule(F=4), engine="reference")


def toy() -> Stimulus:
    """Ten classes, each its own block of pixels."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 10
    frames = rng.random((3, 60, int(np.prod(DATA_SETS["digits"].input_shape)))) < 0.01
    for b, label in enumerate(labels):
        frames[:, b, label * 80 : label * 80 + 30] |= rng.random((3, 30)) < 0.5
    return Stimulus(frames.astype(np.int8), labels=labels)


def weights(folder: Path) -> list[np.ndarray]:
    return [p.connection.weight for p in npz.load(folder / "network.npz").projections]


def test_the_same_seed_gives_the_same_bits(tmp_path) -> None:
    for name in ("a", "b"):
        train(CONFIG, tmp_path / name, stimulus=toy())
    train(replace(CONFIG, seed=6), tmp_path / "c", stimulus=toy())
    for a, b in zip(weights(tmp_path / "a"), weights(tmp_path / "b")):
        np.testing.assert_array_equal(a, b)
    assert any((a != c).any() for a, c in zip(weights(tmp_path / "a"), weights(tmp_path / "c")))


def test_validation_is_at_the_last_epochs_group_size(tmp_path, monkeypatch) -> None:
    seen = []
    evaluated = fit.evaluate
    monkeypatch.setattr(fit, "evaluate", lambda *a, **k: seen.append(a[2].F) or evaluated(*a, **k))
    curriculum = ((0, None), (1, 4), (2, 1))
    train(replace(CONFIG, epochs=2, f_curriculum=curriculum), tmp_path, stimulus=toy())
    assert seen == [4, 4]


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a GPU here")
def test_a_gpu_that_is_not_there_is_said_before_training(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"device is 'cuda' and torch sees no GPU; use 'cpu'"):
        train(replace(CONFIG, device="cuda"), tmp_path, stimulus=toy())
    for unknown in ("gpu", "cuda:", "cuda:01"):
        with pytest.raises(ValueError, match=f"device is '{unknown}'; give 'cpu', 'cuda' or 'cuda:N'"):
            replace(CONFIG, device=unknown)


def test_a_gpu_beyond_those_there_are_is_said_before_training(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"device is 'cuda:2' and torch sees 2 GPUs, numbered from 0; use another, or"):
        train(replace(CONFIG, device="cuda:2"), tmp_path, stimulus=toy())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
@pytest.mark.parametrize("weight_bits", [0, 4])
def test_a_run_goes_on_where_it_left_the_gpu(tmp_path, weight_bits: int) -> None:
    config = replace(CONFIG, device="cuda", engine="auto", weight_bits=weight_bits, initial_density=0.1)
    network = train(config, tmp_path, stimulus=toy())
    assert network.device.type == "cuda"
    network = train(replace(config, device="cpu", epochs=3), tmp_path, resume=True, stimulus=toy())
    assert network.device.type == "cpu"


def test_an_interrupted_run_resumes_bit_for_bit(tmp_path) -> None:
    train(replace(CONFIG, epochs=4), tmp_path / "whole", stimulus=toy())

    class Interrupted(Exception):
        pass

    def stop(metrics, done, of) -> None:
        if metrics.epoch == 2 and done == 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(replace(CONFIG, epochs=4), tmp_path / "cut", report=stop, stimulus=toy())
    train(replace(CONFIG, epochs=4), tmp_path / "cut", resume=True, stimulus=toy())
    for a, b in zip(weights(tmp_path / "whole"), weights(tmp_path / "cut")):
        np.testing.assert_array_equal(a, b)
    assert (tmp_path / "whole" / "metrics.json").exists()


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path) -> None:
    train(replace(CONFIG, epochs=1), tmp_path, stimulus=toy())
    with pytest.raises(FormatError, match="another configuration"):
        train(replace(CONFIG, learning_rate=0.5), tmp_path, resume=True, stimulus=toy())


def test_a_damaged_checkpoint_is_one_sentence(tmp_path) -> None:
    train(replace(CONFIG, epochs=1), tmp_path, stimulus=toy())
    (tmp_path / "last.pt").write_bytes((tmp_path / "last.pt").read_bytes()[:100])
    with pytest.raises(FormatError, match="no checkpoint of ours"):
        train(CONFIG, tmp_path, resume=True, stimulus=toy())


def test_training_learns(tmp_path) -> None:
    reports = []
    config = replace(CONFIG, epochs=12, learning_rate=0.02, validation_share=0.0, patience=0)
    train(config, tmp_path, report=lambda m, i, n: reports.append(m), stimulus=toy())
    assert max(m.accuracy for m in reports if m.accuracy == m.accuracy) > 0.6


def test_patience_stops_early(tmp_path) -> None:
    epochs = []
    train(
        replace(CONFIG, epochs=30, learning_rate=1e-9, patience=2),
        tmp_path,
        report=lambda m, i, n: epochs.append(m.epoch),
        stimulus=toy(),
    )
    assert max(epochs) == 2


def test_held_out_samples_are_never_trained_on() -> None:
    fit_set, held_out = split(toy(), CONFIG)
    assert fit_set.n_samples + held_out.n_samples == 60
    assert not set(fit_set.sample_ids.tolist()) & set(held_out.sample_ids.tolist())
    seen = np.concatenate(list(batches(fit_set.n_samples, CONFIG, 0)))
    assert sorted(seen.tolist()) == list(range(fit_set.n_samples))


WORKER = """
import sys, torch, torch.distributed as dist
sys.path.insert(0, {root!r})
from dataclasses import replace
from tests.trainer.test_fit import CONFIG, toy
from trainer.fit import train
if int(sys.argv[3]) > 1:
    dist.init_process_group("gloo", init_method="file://" + sys.argv[2] + ".sync", rank=int(sys.argv[1]), world_size=2)
train(replace(CONFIG, validation_share=0.0, epochs=1), sys.argv[2], stimulus=toy())
if int(sys.argv[3]) > 1:
    dist.destroy_process_group()
"""


def test_two_processes_train_as_one(tmp_path) -> None:
    root = str(Path(__file__).parents[2])
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(root=root))
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    args = [sys.executable, str(script)]
    two = [subprocess.Popen([*args, str(rank), str(tmp_path / "two"), "2"], env=env, cwd=root) for rank in (0, 1)]
    assert [p.wait(600) for p in two] == [0, 0]
    assert (
        subprocess.run([*args, "0", str(tmp_path / "one"), "1"], env=env, cwd=root, timeout=600, check=False).returncode
        == 0
    )
    for a, b in zip(weights(tmp_path / "one"), weights(tmp_path / "two")):
        torch.testing.assert_close(torch.as_tensor(a.copy()), torch.as_tensor(b.copy()), rtol=1e-4, atol=1e-5)
    told = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two")]
    np.testing.assert_allclose(*([m["loss"] for m in history] for history in told), rtol=1e-5)


def test_a_partition_trains_with_a_queue_a_core(tmp_path) -> None:
    train(CONFIG, tmp_path / "a", stimulus=toy())
    chip = find_chip("loihi2")
    small = replace(chip, limits=replace(chip.limits, max_neurons=5))
    npz.save(map_network(npz.load(tmp_path / "a" / "network.npz", Network), small), tmp_path / "mapped.npz")
    in_cores = replace(CONFIG, schedule=Schedule(F=4, scope="core"), partition=str(tmp_path / "mapped.npz"))
    network = train(in_cores, tmp_path / "b", stimulus=toy())
    assert network.core_of_neuron is not None and len(set(network.core_of_neuron.tolist())) > 1
    with pytest.raises(ValueError, match="belong together"):
        replace(in_cores, partition="")
    with pytest.raises(
        ValueError, match=r"mapped.npz maps populations of \[8, 10\] neurons, this network has \[9, 10\]"
    ):
        train(replace(in_cores, layers=("9", "10")), tmp_path / "c", stimulus=toy())


def test_time_stamped_events_are_paced_in_training(tmp_path) -> None:
    config = replace(CONFIG, limit=30, epochs=1, schedule=Schedule(F=4, input="paced", R=5))
    train(config, tmp_path)
    assert (tmp_path / "network.npz").exists()


def test_a_run_that_stopped_early_stays_stopped(tmp_path) -> None:
    config = replace(CONFIG, epochs=30, learning_rate=1e-9, patience=2)
    train(config, tmp_path, stimulus=toy())
    before = (tmp_path / "last.pt").read_bytes()
    train(config, tmp_path, resume=True, stimulus=toy())
    assert (tmp_path / "last.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("loss", "limit", "words", "way"),
    [
        ("rate", 0.0, r"layers\.0\.0\.weight is no longer finite", "set gradient_norm = 1"),
        ("membrane", 0.5, "the loss is nan", r"lower gradient_norm \(now 0.5\)"),
    ],
)
def test_a_run_that_diverges_says_so_and_how_to_go_on(loss: str, limit: float, words: str, way: str) -> None:
    network = build_network(replace(CONFIG, layers=("10",)))
    network.plan()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(float("nan"))
    optimizer = torch.optim.Adam(network.parameters())
    with pytest.raises(ValueError, match=rf"epoch 3: {words}; lower learning_rate \(now 0.001\), or {way}"):
        config = replace(CONFIG, loss=loss, gradient_norm=limit)
        RULES["surrogate"].step(network, optimizer, batch_of(toy(), np.arange(4)), CONFIG.schedule, config, 3)


def test_too_few_samples_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="leave none to train on"):
        train(replace(CONFIG, validation_share=0.99), tmp_path, stimulus=toy().select(slice(0, 4)))
    with pytest.raises(ValueError, match="leave none to train on"):
        train(CONFIG, tmp_path, stimulus=toy().select(slice(0, 0)))


def test_a_label_beyond_the_classes_is_refused(tmp_path) -> None:
    with pytest.raises(FormatError, match="labelled 11; data set 'digits' has classes 0 to 9"):
        train(CONFIG, tmp_path, stimulus=Stimulus(toy().frames, labels=np.full(60, 11)))


def test_integers_are_not_trained_on_currents(tmp_path) -> None:
    currents = Stimulus(toy().frames.astype(np.float32) / 2, labels=toy().labels)
    with pytest.raises(FormatError, match=r"integers \(weight_bits\) take whole counts"):
        train(replace(CONFIG, weight_bits=4), tmp_path, stimulus=currents)
    train(replace(CONFIG, weight_bits=4, epochs=1), tmp_path, stimulus=toy())
    integers = npz.load(tmp_path / "quantized.npz", QuantizedNetwork)
    with pytest.raises(ValueError, match="needs whole counts"):
        run(integers, currents)
    assert run(integers, toy().select(slice(0, 0))).counts.shape[0] == 0


@pytest.mark.parametrize("data", ["digits", "shd"])
def test_augmentation_moves_samples_on_any_sensor(data: str) -> None:
    shape, config = DATA_SETS[data].input_shape, replace(CONFIG, data=data, shift_px=2)
    frames = torch.zeros(1, 8, *shape)
    frames[..., 9] = 1
    moved = shifted(frames.flatten(2), torch.arange(8), shape, config, 0).reshape(frames.shape)
    places = {tuple(torch.nonzero(sample.flatten(0, -2).sum(0)).flatten().tolist()) for sample in moved[0]}
    assert places <= {(x,) for x in range(7, 12)} and len(places) > 1, "along the last axis"
