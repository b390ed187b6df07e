"""Temporary files of killed runs go with the next write; those of living ones and of others stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exchange import npz, temporary

WRITER = """
import os, signal, sys
from pathlib import Path
from exchange import npz
for sign in (signal.SIGINT, signal.SIGTERM):
    signal.signal(sign, signal.SIG_DFL)
from exchange import temporary
module, name = {"made": (temporary, "lock"), "written": (os, "fsync")}[sys.argv[3]]
real = getattr(module, name)
def and_end(descriptor):
    print("there", flush=True)
    os.kill(os.getpid(), int(sys.argv[2]))
    return real(descriptor)
setattr(module, name, and_end)
npz.write_atomically(Path(sys.argv[1]), b"x" * 100)
"""


def killed_while_writing(path: Path, sign: int, when: str = "written") -> int:
    """Let a process be ended while its temporary file is there, or as soon as it is; returns how it ended."""
    words = [sys.executable, "-c", WRITER, str(path), str(int(sign)), when]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "there\n", done.stderr
    return done.returncode


@pytest.mark.parametrize("when", ["made", "written"])
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_a_signal_that_ends_a_process_removes_what_it_is_writing(tmp_path: Path, sign: signal.Signals, when: str):
    (tmp_path / "a.npz").write_bytes(b"before")
    assert killed_while_writing(tmp_path / "a.npz", sign, when) == -sign
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"] and (tmp_path / "a.npz").read_bytes() == b"before"


def test_the_litter_of_a_killed_process_goes_with_the_next_write(tmp_path: Path):
    assert killed_while_writing(tmp_path / "a.npz", signal.SIGKILL) == -signal.SIGKILL
    (litter,) = tmp_path.iterdir()
    assert litter.name.startswith(".a.npz.")
    npz.write_atomically(tmp_path / "b.npz", b"other")
    assert litter.exists(), "it belongs to another file"
    npz.write_atomically(tmp_path / "a.npz", b"new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_a_file_that_somebody_is_writing_is_no_litter(tmp_path: Path):
    with temporary.made_beside(tmp_path / "a.npz") as file:
        npz.write_atomically(tmp_path / "a.npz", b"mine")
        assert os.path.exists(file.name)
    temporary.remove_litter(tmp_path / "a.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("name", [".a.npz.swp", ".a.npz.my_notes.txt", "a.npz.abcdefgh", ".b.npz.abcdefgh"])
def test_files_of_others_stay(tmp_path: Path, name: str):
    (tmp_path / name).write_text("kept")
    npz.write_atomically(tmp_path / "a.npz", b"new")
    assert (tmp_path / name).read_text() == "kept"


def test_a_link_with_the_name_of_litter_is_not_followed(tmp_path: Path):
    (tmp_path / "other").write_text("kept")
    (tmp_path / ".a.npz.abcdefgh").symlink_to(tmp_path / "other")
    npz.write_atomically(tmp_path / "a.npz", b"new")
    assert (tmp_path / "other").read_text() == "kept"
