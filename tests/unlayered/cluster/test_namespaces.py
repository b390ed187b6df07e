"""A scheduler and two workers in network namespaces of their own: the same bits as one process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unlayered.cluster.test_verbs import many
from tests.unlayered.verbs import call

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("namespaces.sh")
FORBIDDEN = 77


@pytest.mark.timeout(300)
def test_three_machines_leave_the_bits_of_one(folder: Path):
    if not all(map(shutil.which, ("unshare", "ip", "nsenter"))):
        pytest.skip("unshare, ip or nsenter is not installed")
    words = ["run", str(folder / "mapped.npz"), "--on", "reference", "--data", str(many(folder)), "--out"]
    assert call(*words, folder / "one.npz").exit_code == 0
    done = subprocess.run(
        ["unshare", "-rmn", str(SCRIPT), sys.executable, *words, str(folder / "other.npz")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "UNLAYERED_TRACEBACK": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    if done.returncode == FORBIDDEN or "unshare failed" in done.stderr:
        pytest.skip(f"this system forbids network namespaces: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / "one.npz").read_bytes() == (folder / "other.npz").read_bytes()
