"""An encoder on the host in all executors: the same spikes before the queue, equal runs behind it, files, training."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import unlayered as ul
from exchange import npz
from exchange.chip_toml import find_chip
from ir.check import FormatError
from ir.encoder import body_of, spikes_of
from ir.mapped import MappedNetwork
from ir.trace_parts import join_in_time
from mapper import map_network
from mapper.quantize import quantize
from sim_reference import fast, simulate
from sim_reference.compare.divergence import first_divergence
from targets.lava.run import Job, run_jobs
from tests.targets.lava_cases import needs_lava
from tests.unlayered.verbs import call, refused
from trainer import LIF, SpikingNetwork
from trainer.execute import run

ROOT = Path(__file__).parent.parent
CHIP = find_chip("loihi2")


def network(seed: int = 0, schedule: ul.Schedule | None = None) -> SpikingNetwork:
    """A convolution on the host, two layers behind it."""
    torch.manual_seed(seed)
    conv = nn.Conv2d(1, 3, 3)
    with torch.no_grad():
        conv.weight.abs_()  # so that it spikes, whatever the seed
    return SpikingNetwork.sequential(
        (1, 6, 6), conv, LIF(2e-3, 0.3), nn.Flatten(), nn.Linear(48, 20), LIF(2e-3, 0.3),
        nn.Linear(20, 4), LIF(2e-3, 0.3), schedule=schedule or ul.Schedule(F=4), encoder=1,
    )  # fmt: skip


def currents(seed: int = 0, steps: int = 5, batch: int = 4) -> ul.Stimulus:
    """Images that change a little in time."""
    rng = np.random.default_rng(seed)
    still = rng.random((1, batch, 36))
    return ul.Stimulus(
        (still + 0.1 * rng.normal(size=(steps, batch, 36))).astype(np.float32), labels=rng.integers(0, 4, batch)
    )


SCHEDULES = [
    ul.Schedule(F=4), ul.Schedule(F=1, order="random", seed=3), ul.Schedule(F=None), ul.Schedule("layered", None),
    ul.Schedule(F=2, order="fifo", input="queued"), ul.Schedule(F=8, input="paced", R=5, stop_after=9),
    ul.Schedule(F=2, input="queued", order="random", stop_after_output=1),
]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.sampled_from(SCHEDULES))
def test_host_spikes_and_bodies_are_equal_in_every_executor(seed: int, schedule: ul.Schedule) -> None:
    trained, given_ = network(seed).export(), currents(seed)
    mapped = map_network(trained, CHIP)
    e0, e1 = run(trained, given_, schedule), run(mapped, given_, schedule)
    e2 = [f(mapped, given_, schedule) for f in (simulate.run, fast.run)]
    assert e0.host is not None and e0.host.any()
    assert all(t.host is not None and np.array_equal(t.host, e0.host) for t in (e1, *e2))
    assert all(first_divergence(e1, t) is None for t in e2)
    assert np.array_equal(e0.host, spikes_of(trained, given_).frames)


@pytest.mark.lava
@pytest.mark.timeout(900)
@needs_lava[1]
def test_on_lava_it_is_the_same() -> None:
    trained = network().export()
    mapped = map_network(trained, CHIP)
    given_ = currents(steps=3, batch=2)
    lava = run_jobs([Job(mapped, given_, s) for s in SCHEDULES])
    for trace, schedule in zip(lava, SCHEDULES):
        other = fast.run(mapped, given_, schedule)
        assert trace.host is not None and other.host is not None
        assert np.array_equal(trace.host, other.host)
        assert first_divergence(trace, other) is None
        assert trace.counts.any()


def test_it_lies_outside_the_queue() -> None:
    """The body run alone on the host's spikes is the same run: keys N + i, depths and rounds count from there."""
    fixed, given_ = quantize(network().export(), CHIP), currents()
    for schedule in SCHEDULES:
        whole, alone = fast.run(fixed, given_, schedule), fast.run(body_of(fixed), spikes_of(fixed, given_), schedule)
        assert first_divergence(whole, alone) is None
        assert alone.host is None and [name for name, _ in whole.populations] == ["layer1", "layer2"]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.sampled_from(SCHEDULES), st.integers(0, 5))
def test_a_cut_run_is_the_whole_run(seed: int, schedule: ul.Schedule, cut: int) -> None:
    """Its state holds the host's; each half on another executor."""
    trained, given_ = network(seed).export(), currents(seed)
    fixed = quantize(trained, CHIP)
    halves = [ul.Stimulus(given_.frames[at], given_.sample_ids) for at in (slice(cut), slice(cut, None))]
    engine = partial(run, engine="reference")  # compiled ones leave no state
    for net, first, second in ((trained, engine, engine), (fixed, engine, simulate.run), (fixed, simulate.run, engine)):
        a = first(net, halves[0], schedule, keep_state=True)
        b = second(net, halves[1], schedule, state=a.state, keep_state=True)
        want = second(net, ul.Stimulus(given_.frames, given_.sample_ids), schedule, keep_state=True)
        got = join_in_time([replace(a, executor=b.executor), b])
        assert first_divergence(got, want) is None
        assert got.host is not None and np.array_equal(got.host, want.host)
        assert a.state is not None and a.state.host is not None
    with pytest.raises(ValueError, match="the state is of a network without an encoder"):
        simulate.run(fixed, halves[1], schedule, state=replace(a.state, host=None))


def test_a_trace_that_differs_on_the_host_says_so() -> None:
    fixed = quantize(network().export(), CHIP)
    a = fast.run(fixed, currents())
    assert a.host is not None
    other = a.host.copy()
    t, b, i = np.argwhere(other)[0]
    other[t, b, i] = 0
    found = first_divergence(a, replace(a, host=other))
    assert found is not None and found.what == "host"
    assert str(found) == f"sample {b}, time step {t}: neuron {i} of the encoder on the host sent 1 and 0 spikes"


def test_without_an_encoder_floats_are_refused_with_three_ways_out() -> None:
    fixed = body_of(quantize(network().export(), CHIP))
    given_ = ul.Stimulus(np.full((2, 1, 48), 0.5))
    for executor in (simulate.run, fast.run, run):
        with pytest.raises(
            ValueError, match=r"whole counts: round them, code them as spikes \(stimuli.coding: rate, lat"
        ):
            executor(fixed, given_)


class TestFiles:
    def test_a_mapped_network_keeps_it(self, tmp_path: Path) -> None:
        mapped = map_network(network().export(), CHIP)
        npz.save(mapped, tmp_path / "m.npz")
        again = npz.load(tmp_path / "m.npz", MappedNetwork)
        a, b = (fast.run(m, currents()) for m in (mapped, again))
        assert a.host is not None and b.host is not None
        assert np.array_equal(a.host, b.host) and first_divergence(a, b) is None
        npz.save(a, tmp_path / "a.npz")
        loaded = npz.load(tmp_path / "a.npz", ul.Trace)
        assert loaded.host is not None and np.array_equal(loaded.host, a.host)

    @pytest.mark.parametrize("ending", ["nir", "onnx", "net"])
    def test_other_formats_cannot_say_it(self, tmp_path: Path, ending: str) -> None:
        fixed = quantize(network().export(), CHIP)
        with pytest.raises(
            ValueError, match=rf"encoder on the host, which an? \.{ending} file cannot hold; save it as .npz"
        ):
            ul.save(fixed, tmp_path / f"a.{ending}")
        assert not list(tmp_path.iterdir())

    def test_a_file_from_before_encoders_opens(self, tmp_path: Path) -> None:
        """Without the field that is new."""
        network_ = body_of(network().export())
        npz.save(network_, tmp_path / "a.npz")
        with np.load(tmp_path / "a.npz") as file:
            arrays = dict(file)
        header = json.loads(arrays["unlayered"].tobytes())
        del header["value"]["fields"]["encoder"]
        arrays["unlayered"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        np.savez(tmp_path / "b.npz", **arrays)
        assert npz.load(tmp_path / "b.npz", ul.Network).encoder is None


class TestSnnTorch:
    def test_first_layer_on_the_host_and_the_rest_behind_it(self) -> None:
        snn = pytest.importorskip("snntorch")
        from tests.trainer.test_from_snntorch import theirs

        torch.manual_seed(3)
        leaky = lambda: snn.Leaky(beta=0.5, threshold=0.5, reset_mechanism="zero", reset_delay=False)  # noqa: E731
        model = nn.Sequential(nn.Linear(8, 12), leaky(), nn.Linear(12, 4), leaky())
        with torch.no_grad():
            for p in (*model[0].parameters(), *model[2].parameters()):
                p.copy_((p * 64 + 4).round() / 64)
        x = (torch.rand(10, 1, 8) * 16).round() / 16
        cut = ul.from_snntorch(model, (8,), encoder=1)
        for schedule in (ul.Schedule("layered", None), ul.Schedule(F=None)):
            trace = run(cut, ul.Stimulus(x.numpy()), schedule)
            s, found = trace.spikes, np.zeros((10, 4))
            assert s is not None
            found[s.t, s.neuron] = 1
            assert 0 < found.mean() < 1
            assert np.array_equal(found, theirs(list(model), x))
        assert cut.encoder is not None and cut.encoder.n_neurons == 12
        with pytest.raises(ValueError, match="an encoder of 2 populations"):
            ul.from_snntorch(model, (8,), encoder=2)


def test_a_bad_word_for_an_encoder_in_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("encoder = 1.5\n")
    from trainer.config import read_toml

    with pytest.raises(FormatError, match=r"encoder is 1\.5; give a whole number"):
        read_toml(tmp_path / "a.toml")


class TestVerbs:
    """What compares runs takes data as the encoder does."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        trained = network().export()
        npz.save(trained, tmp_path / "floats.npz")
        npz.save(map_network(trained, CHIP), tmp_path / "mapped.npz")
        npz.save(network(1).export(), tmp_path / "other.npz")
        bare = SpikingNetwork.sequential((1, 6, 6), nn.Flatten(), nn.Linear(36, 4), LIF(2e-3, 0.3))
        npz.save(bare.export(), tmp_path / "bare.npz")
        npz.save(currents(), tmp_path / "data.npz")
        return tmp_path

    def test_a_row_of_a_sweep_is_a_run_and_what_it_costs(self, folder: Path) -> None:
        given_ = "--data", str(folder / "data.npz")
        words = "--F", "4", "--order", "momentum", "--out", str(folder / "s.json"), "--json"
        rows = json.loads(call("sweep", str(folder / "mapped.npz"), *given_, *words).stdout)["rows"]
        run_words = "--on", "reference", "--out", str(folder / "run.npz"), "--json"
        ran = json.loads(call("run", str(folder / "mapped.npz"), *given_, *run_words).stdout)
        assert rows[1]["spikes"] == ran["spikes_per_sample"] > 0
        assert ran["cost"]["energy"].startswith(f"{rows[1]['energy_pj'][0] / 1e3:.2f} nJ")

    def test_a_diff_is_of_what_follows_the_encoder(self, folder: Path) -> None:
        given_ = "--data", str(folder / "data.npz")
        found = json.loads(
            call("diff", *(str(folder / f"{x}.npz") for x in ("floats", "mapped")), *given_, "--json").stdout
        )
        bodies = body_of(npz.load(folder / "floats.npz")), body_of(npz.load(folder / "mapped.npz"))
        mine = ul.diff(*bodies, spikes_of(npz.load(folder / "floats.npz"), currents()))
        assert found["pairs"][0]["populations"] == mine.to_dict()["populations"]
        for other, said in (
            ("other", "make other spikes of the samples"),
            ("bare", "bare.npz has no encoder on the host"),
        ):
            assert said in refused(2, "diff", folder / "floats.npz", folder / f"{other}.npz", *given_)

    def test_a_schedule_is_fitted_to_what_follows_the_encoder(self, folder: Path) -> None:
        given_ = "--chip", "seneca", "--data", str(folder / "data.npz")
        found = json.loads(call("fit-schedule", str(folder / "floats.npz"), *given_, "--json").stdout)
        assert found["best"]["distance"] <= found["layered_held_out"]["distance"] + 1
