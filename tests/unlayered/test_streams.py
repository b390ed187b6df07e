"""Standard streams that are closed or full: the exit code still says how it went, and no traceback is shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unlayered.verbs import call, refused

ME = f"{sys.executable} -m unlayered"

CASES = {
    "output closed": ("chips >&-", 0),
    "errors closed": ("inspect absent.npz 2>&-", 2),
    "all closed": ("chips <&- >&- 2>&-", 0),
    "output full": ("chips >/dev/full", 2),
    "errors full": ("inspect absent.npz 2>/dev/full", 2),
    "help on a full disk": ("--help >/dev/full", 2),
    "version on a full disk": ("--version >/dev/full", 2),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("name", CASES)
def test_the_exit_code_says_how_it_went(name: str) -> None:
    words, code = CASES[name]
    done = subprocess.run(f"{ME} {words}", shell=True, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stdout + done.stderr and done.stderr.count("\n") <= 1


@pytest.mark.parametrize("words", ["chips", "chips --json", "--help", "map --help"])
def test_nothing_is_said_to_a_reader_who_has_read_enough(words: str) -> None:
    shell = ["bash", "-c", f"set -o pipefail; {ME} {words} | true"]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=120)
    assert (done.stderr, done.returncode) == ("", 141)


@pytest.mark.parametrize("name", ["o.txt", "o", "-", "o.npz"])
def test_an_exported_file_ends_as_it_is_read_again(folder: Path, name: str) -> None:
    before = sorted(folder.iterdir())
    sentence = refused(2, "export", folder / "mapped.npz", "--to", "nir", "--out", folder / name)
    assert "a nir file ends in .nir; name it so" in sentence and sorted(folder.iterdir()) == before


def test_a_network_is_exported_into_its_train_folder_as_often_as_one_likes(folder: Path) -> None:
    (folder / "net").mkdir()
    (folder / "network.npz").rename(folder / "net" / "network.npz")
    words = "export", folder / "net", "--to", "nir", "--out", folder / "net" / "net.nir"
    assert [call(*words).exit_code for _ in range(2)] == [0, 0]


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ({"--out": "t.txt"}, "a trace ends in .npz or .pieces"),
        ({"--out": "t"}, "a trace ends in .npz or .pieces"),
        ({"--out": "t.parquet"}, "a trace ends in .npz or .pieces"),
        ({"--out": "t.npz", "--keep-state": "s.txt"}, "a state ends in .npz"),
        ({"--out": "t.npz", "--timeline": "t.png"}, "a timeline ends in .svg"),
    ],
    ids=str,
)
def test_what_a_run_leaves_ends_as_it_is_read_again(folder: Path, out: dict[str, str], said: str) -> None:
    before = sorted(folder.iterdir())
    words = [word for flag, name in out.items() for word in (flag, folder / name)]
    run = ["run", folder / "mapped.npz", "--on", "clockless", "--data", folder / "data.npz", *words]
    assert f"{said}; name it so" in refused(2, *run)
    assert sorted(folder.iterdir()) == before


def test_a_run_in_its_train_folder_is_made_as_often_as_one_likes(folder: Path) -> None:
    (folder / "net").mkdir()
    (folder / "network.npz").rename(folder / "net" / "network.npz")
    run = ["run", folder / "net", "--on", "trainer", "--data", folder / "data.npz", "--out"]
    assert [call(*run, folder / "net" / "t.npz").exit_code for _ in range(2)] == [0, 0]
    assert "it is read here, too, and would be gone" in refused(2, *run, folder / "net" / "network.npz")


@pytest.mark.parametrize("name", ["mapped.npz", "data.npz"])
def test_a_run_does_not_replace_what_it_reads(folder: Path, name: str) -> None:
    before = (folder / name).read_bytes()
    words = ["run", folder / "mapped.npz", "--on", "reference", "--data", folder / "data.npz", "--out", folder / name]
    assert "it is read here, too, and would be gone" in refused(2, *words)
    assert (folder / name).read_bytes() == before
