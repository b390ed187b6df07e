"""Recordings made by others, and what is wrong with recordings."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from ir.check import FormatError
from sim_reference.recordings import read_recordings
from sim_reference.verify import verify

CUBA = {"type": b"CUBA", "iDecay": 1024, "vDecay": 512, "vThMant": 20}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A .net of two dense layers around a flatten, and its recordings made with five lines of numpy."""
    rng = np.random.default_rng(0)
    weights = {1: rng.integers(-10, 20, (6, 8)), 3: rng.integers(-10, 20, (4, 6))}
    with h5py.File(tmp_path / "two.net", "w") as file:
        file["layer/0/type"], file["layer/0/shape"] = [b"input"], [8]
        file["layer/2/type"], file["layer/2/shape"] = [b"flatten"], [6]
        for number, weight in weights.items():
            layer = file.create_group(f"layer/{number}")
            layer["type"], layer["shape"], layer["weight"] = [b"dense"], [len(weight)], weight.astype(np.float32)
            for key, value in CUBA.items():
                layer[f"neuron/{key}"] = value
    sent = rng.random((30, 8)) < 0.4
    np.save(tmp_path / "input.npy", sent.T)
    for name, weight, first in (("a", weights[1], 4), ("b", weights[3], 5)):
        rows = {"-u": [], "-v": [], "": []}
        u = v = np.zeros(len(weight), np.int64)
        for t in range(30):
            if t == first:
                u = v = np.zeros_like(u)
            u = (u * 3072 / 4096).astype(np.int64) + ((weight @ sent[t - 1]) << 6 if t else 0)
            v = (v * 3584 / 4096).astype(np.int64) + u
            fires = v > 20 << 6
            v = np.where(fires, 0, v)
            for end, row in (("-u", u), ("-v", np.where(fires, 77, v)), ("", fires)):
                rows[end].append(row)
        for end, values in rows.items():
            np.save(tmp_path / f"{name}{end}.npy", np.array(values).T)
        sent = np.array(rows[""])
    (tmp_path / "verify.toml").write_text(
        'network = "two.net"\nsteps = 30\ndelay = 1\nmarker = 77\n'
        '[[layer]]\nname = "a"\nlayer = 1\nresets = [4]\n[[layer]]\nname = "b"\nlayer = 3\nresets = [5]\n'
    )
    return tmp_path


def test_every_recorded_value_is_reproduced(folder):
    found = verify(folder / "two.net", folder)
    spikes = sum(int(np.load(folder / f"{n}.npy").sum()) for n in "ab")
    assert found.compared == 3 * 30 * 10 - spikes
    assert spikes > 50
    assert found.differing == 0
    assert found.first is None
    assert found.as_dict()["layers"][0] == {"name": "a", "quantity": "u", "compared": 180, "differing": 0}


def test_a_layer_without_recorded_spikes_is_driven_by_our_own(folder):
    (folder / "a.npy").unlink()
    assert verify(folder / "two.net", folder).differing == 0


def test_the_first_differing_value_is_named(folder):
    u = np.load(folder / "b-u.npy")
    u[2, 7] += 64
    u[1, 9] += 64
    np.save(folder / "b-u.npy", u)
    found = verify(folder / "two.net", folder)
    assert found.differing == 2
    assert (found.first.name, found.first.quantity, found.first.t, found.first.neuron) == ("b", "u", 7, 2)
    assert str(found.first).startswith(f"layer b, time step 7, neuron 2: u was recorded as {u[2, 7]}, the rules give")


def test_a_shifted_recording_is_compared_where_it_overlaps(folder):
    for name in ("b", "b-u", "b-v"):
        array = np.load(folder / f"{name}.npy")
        np.save(folder / f"{name}.npy", np.roll(array, 2, axis=1))
    text = (folder / "verify.toml").read_text()
    (folder / "verify.toml").write_text(text + "shift = 2\n")
    found = verify(folder / "two.net", folder)
    assert found.differing == 0
    assert found.layers[3].compared == 28 * 4


def append(folder: Path, text: str) -> None:
    """Add to the last layer's table, or after it."""
    path = folder / "verify.toml"
    path.write_text(path.read_text() + text)


MISTAKES = {
    "stepz = 5\n": (1, "stepz is an unknown key (did you mean steps?)"),
    "delay = 1\nsteps = 'all'\n[[layer]]\nname = 'a'\nlayer = 1\n": (2, "steps is 'all'; give a whole number"),
    "steps = 5\n[[layer]]\nname = 'a'\nlayer = 1\n[[layer]]\nname = 'b'\nlayr = 3\n": (7, "(did you mean layer?)"),
    "steps = 5\n[[layer]]\nname = 'a'\nlayer = 1\n[[layer]]\nname = 'b'\nlayer = -3\n": (7, "layer is -3"),
    "steps = 5\n[[layer]]\nname = 'a'\nlayer = 1\n\n[[layer]]\nlayer = 3\n": (6, "name is None"),
    "[[layer]]\nname = 'a'\nlayer = 1\n[[layer]]\nname = 'b'\nlayer = 1 # again\n": (6, "layer 1 has two tables"),
    "[[layer]]\nname = 'a'\nlayer = 1\nresets = [-1]\n": (4, "resets as a list of time steps"),
    "[[layer]]\nname = 'a'\nlayer = 1\n[[layer]]\nlayer = 3\nname = 'b'\nshift = 0.5\n": (7, "shift is 0.5"),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_verify_toml_names_its_line_and_what_was_meant(folder, text):
    line, said = MISTAKES[text]
    (folder / "verify.toml").write_text(text)
    with pytest.raises(FormatError) as caught:
        read_recordings(folder)
    assert str(caught.value).startswith(f"{folder / 'verify.toml'}, line {line}: ") and said in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "verify.toml").unlink(), "needs verify.toml"),
        (lambda d: (d / "verify.toml").write_text("steps = ["), "cannot be read as TOML"),
        (lambda d: (d / "verify.toml").write_text('[[layer]]\nname = "../a"\nlayer = 1\n'), "is no file name"),
        (lambda d: (d / "verify.toml").write_text("steps = -1\n[[layer]]\nname = 'a'\nlayer = 1"), "steps is -1"),
        (lambda d: (d / "verify.toml").write_text("steps = 0\n[[layer]]\nname = 'a'\nlayer = 1"), "steps is 0"),
        (lambda d: append(d, f"shift = {1 << 70}\n"), "shift is 1180591620717411303424; it must lie in"),
        (
            lambda d: (d / "verify.toml").write_text(f"delay = {1 << 70}\n[[layer]]\nname = 'a'\nlayer = 1"),
            "delay is 1",
        ),
        (lambda d: append(d, "shift = 30\n"), "shift of 30 puts outside the 30 that are compared"),
        (lambda d: append(d, "shift = -40\n"), "shift of -40 puts outside"),
        (lambda d: append(d, "[[layer]]\nname = 'a'\nlayer = 3\n"), "layer 3 has two tables"),
        (lambda d: append(d, "[[layer]]\nname = 'c'\nlayer = 4\nresets = [-1]\n"), "resets as a list of time steps"),
        (lambda d: (d / "verify.toml").write_text('[[layer]]\nname = "x"\nlayer = 1\n'), "nothing can be compared"),
        (lambda d: (d / "verify.toml").write_text('[[layer]]\nname = "a"\nlayer = 2\n'), "layer"),
        (lambda d: (d / "input.npy").unlink(), "does not exist"),
        (lambda d: (d / "a-v.npy").write_bytes((d / "a-v.npy").read_bytes()[:200]), "truncated"),
        (lambda d: np.save(d / "a-v.npy", np.ones((6, 30))), "give whole numbers"),
        (lambda d: np.save(d / "a-v.npy", np.array([{}]), allow_pickle=True), "no .npy file"),
        (lambda d: np.save(d / "input.npy", np.ones((9, 30), bool)), "recorded input has 9 sources, the network 8"),
        (lambda d: np.save(d / "b-u.npy", np.ones((4, 29), int)), "differ in shape"),
    ],
)
def test_bad_recordings_are_refused_in_a_sentence(folder, spoil, message):
    spoil(folder)
    with pytest.raises(ValueError, match=message):
        verify(folder / "two.net", folder)


def test_a_folder_of_recordings_says_which_network_it_is_of(folder):
    assert read_recordings(folder).network == "two.net"
    with pytest.raises(FormatError, match=r"verify\.toml"):
        read_recordings(folder / "nowhere")
