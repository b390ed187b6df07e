"""``import unlayered as ul``: the names a user needs, loaded when used, and nothing heavy before."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import unlayered as ul
from ir.check import FormatError

ROOT = Path(__file__).parents[2]
HEAVY = ("dask", "distributed", "torch", "numba", "lava", "matplotlib", "scipy", "tonic", "sklearn", "PIL")


def python(code: str, folder: Path | None = None, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, from ``folder`` as a user's script would be."""
    command = [sys.executable, "-c", f"import sys; sys.path.append({str(ROOT)!r})\n{code}", *arguments]
    return subprocess.run(command, cwd=folder or ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_every_public_name_is_typed_loaded_and_described():
    tree = ast.parse((ROOT / "unlayered" / "__init__.py").read_text())
    typed = {
        alias.name: str(node.module)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == ul.WHERE and sorted(typed) == sorted(ul.__all__)
    page = (ROOT / "docs" / "python.md").read_text()
    for name in ul.__all__:
        assert getattr(ul, name).__doc__, name
        assert f"`{name}`" in page, f"docs/python.md does not tell of {name}"


def test_a_name_that_is_not_there_is_an_error_that_tells_what_is():
    with pytest.raises(AttributeError, match=r"'unlayered' has no attribute 'trian'; it has .*train"):
        _ = ul.trian  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "code",
    [
        "import unlayered",
        "import unlayered as ul; ul.chips(); ul.Schedule(); ul.run; ul.open",
        "import unlayered as ul; ul.compare; ul.Statistics; ul.diff",
        "import unlayered.verbs.compare, sim_reference.compare.divergence",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(code: str):
    done = python(f"{code}\nprint(sorted(set({HEAVY}) & set(sys.modules)))")
    assert done.returncode == 0 and done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("chips",), ("compare", "--help")])
def test_light_verbs_import_nothing_heavy(arguments: tuple[str, ...]):
    code = (
        "from unlayered.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        f"print('HEAVY', sorted(set({HEAVY}) & set(sys.modules)))"
    )
    done = python(code, None, *arguments)
    assert done.returncode == 0 and done.stdout.strip().endswith("HEAVY []"), done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "mapped.npz"),
        ("check", "mapped.npz", "--chip", "loihi2"),
        ("map", "mapped.npz", "--chip", "loihi2", "--calibrate", "data.npz", "--out", "again.npz"),
        ("map", "mapped.npz", "--chip", "loihi2", "--calibrate", "digits", "--out", "again.npz"),
        ("run", "mapped.npz", "--on", "reference", "--data", "data.npz", "--out", "trace.npz"),
        ("run", "mapped.npz", "--on", "reference", "--data", "digits", "--out", "trace.npz"),
    ],
)
def test_integers_are_mapped_and_run_without_torch(folder: Path, arguments: tuple[str, ...]):
    """What does not fit (digits have 800 inputs) has been read by then, and is refused in one sentence."""
    code = (
        "from unlayered.cli import main\n"
        "try: main()\nexcept SystemExit as end: code = end.code\n"
        "print('CODE', code or 0, sorted({'torch', 'tonic', 'lava', 'onnx'} & set(sys.modules)))"
    )
    done = python(code, folder, *arguments)
    expected = "CODE 2 []" if "digits" in arguments else "CODE 0 []"
    if arguments[0] == "check":
        expected = "CODE 0 ['onnx']"
    assert done.stdout.strip().endswith(expected), done.stdout + done.stderr


@pytest.mark.parametrize("name", ["trainer.py", "mapper/__init__.py", "ir/notes.txt"])
def test_a_file_of_the_user_that_hides_a_package_is_named_with_the_way_out(tmp_path: Path, name: str):
    hiding = tmp_path / name
    hiding.parent.mkdir(exist_ok=True)
    hiding.write_text("")
    (tmp_path / "mine.py").write_text("import unlayered\n")
    run = [sys.executable, "mine.py"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    if name.endswith(".txt"):  # a folder without code is none of Python's packages, and hides nothing
        assert done.returncode == 0, done.stderr
        return
    last = done.stderr.strip().splitlines()[-1]
    package = name.split("/")[0].removesuffix(".py")
    assert done.returncode == 1
    assert last.startswith(f"ImportError: {hiding} hides unlayered's own package {package!r}; rename it, or run")


def test_the_road_in_python(mapped, stimulus, tmp_path: Path):
    """Save, open, run on two executors, compare, count."""
    ul.save(mapped, tmp_path / "mapped.npz")
    again = ul.open(tmp_path / "mapped.npz")
    done: list[tuple[int, int]] = []
    a = ul.run(again, stimulus, on="reference", progress=lambda *at: done.append(at))
    b = ul.run(again, stimulus, on="trainer")
    assert isinstance(a, ul.Trace) and ul.compare(a, b) is None and done[-1] == (3, 3)
    numbers = ul.statistics(a)
    assert isinstance(numbers, ul.Statistics) and numbers.spikes == len(a.spikes) > 0
    other = ul.run(again, stimulus, ul.Schedule(F=1, order="fifo"))
    assert isinstance(ul.compare(a, other), ul.Divergence)


def test_a_network_is_mapped_by_the_name_of_a_chip_or_by_a_chip(network):
    by_name, by_chip = ul.map(network, "loihi1"), ul.map(network, ul.chips()["loihi1"])
    assert by_name.chip == by_chip.chip and (by_name.core_of_neuron == by_chip.core_of_neuron).all()


def test_a_map_is_calibrated_as_on_the_command_line(network, stimulus, folder: Path):
    from unlayered.calibration import integers_of

    made = ul.map(network, "loihi2", calibrate=stimulus)
    known = integers_of(network, ul.chips()["loihi2"], 8, stimulus, lambda done, total: None)
    assert all(
        np.array_equal(a.connection.weight, b.connection.weight)
        for a, b in zip(made.network.projections, known.network.projections)
    )
    assert ul.compare(ul.run(made, stimulus), ul.run(known.network, stimulus)) is None


def test_data_is_read_by_name_and_from_files(tmp_path: Path):
    np.save(tmp_path / "frames.npy", np.ones((3, 2, 4), np.int32))
    assert ul.data(tmp_path / "frames.npy").frames.shape == (3, 2, 4)
    assert ul.data("digits", samples=2).frames.shape == (10, 2, 800)


def test_an_ending_that_no_format_has_is_refused(mapped, tmp_path: Path):
    with pytest.raises(FormatError, match=r"mapped\.pkl: it ends in '\.pkl'; use \.npz, \.nir, \.onnx, \.net"):
        ul.save(mapped, tmp_path / "mapped.pkl")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_frozen_network_is_said_with_what_to_give(stimulus, tmp_path: Path):
    from torch import nn

    module = ul.SpikingNetwork.sequential((12,), nn.Linear(12, 3, bias=False), ul.LIF(tau_mem_s=1e-2), dt_s=1e-3)
    for use in (lambda: ul.map(module), lambda: ul.run(module, stimulus), lambda: ul.save(module, tmp_path / "m.npz")):
        with pytest.raises(ValueError, match=r"a SpikingNetwork is no frozen network; give its .*\.export"):
            use()
    for ending in ("nir", "onnx", "net"):
        with pytest.raises(ValueError, match="a Stimulus is no frozen network; give a network"):
            ul.save(stimulus, tmp_path / f"m.{ending}")
    assert list(tmp_path.iterdir()) == []


def test_options_of_foreign_files_have_no_meaning_for_our_own(mapped, tmp_path: Path):
    ul.save(mapped, tmp_path / "mapped.npz")
    with pytest.raises(FormatError, match=r"--as norse has no meaning for \.npz"):
        ul.open(tmp_path / "mapped.npz", as_="norse")
