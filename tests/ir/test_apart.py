"""A file that is parsed in a process of its own: what comes back is what was read; a crash is one sentence."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from ir import apart as module
from ir.apart import apart
from ir.check import FormatError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has these limits")


def test_a_tree_comes_back_as_it_was():
    texts = np.empty((2, 1), object)
    texts[:] = [["a"], ["\u00e4\x00b"]]
    rows = np.zeros(3, [("x", "<i2"), ("t", "<i8")])
    rows["t"] = [1, 2, 3]
    tree = {"n": {"w": np.arange(6, dtype=">f4").reshape(2, 3), "empty": np.zeros((0, 4), np.int8)}, "name": "x",
            "texts": texts, "rows": rows, "one": np.asarray(7.5)}  # fmt: skip
    found = apart(lambda: tree, 100)
    assert found["name"] == "x" and found["texts"].tolist() == texts.tolist() and found["one"].shape == ()
    for one, other in (
        (found["n"]["w"], tree["n"]["w"]),
        (found["rows"], rows),
        (found["n"]["empty"], np.zeros((0, 4))),
    ):
        assert np.array_equal(one, other) and one.shape == other.shape
    assert found["n"]["w"].dtype == ">f4" and found["rows"].dtype == rows.dtype


def raises(error: BaseException) -> Callable[[], dict]:
    def work() -> dict:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "kind"),
    [(FormatError("said"), FormatError), (ValueError("said"), ValueError), (KeyError("said"), OSError)],
)
def test_what_is_refused_there_is_refused_here(error: Exception, kind: type[Exception]):
    with pytest.raises(kind, match="said") as found:
        apart(raises(error), 100)
    assert type(found.value) is kind


def test_a_crash_is_a_sentence():
    def work() -> dict:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    with pytest.raises(OSError, match="was ended by SIGKILL"):
        apart(work, 100)


def test_an_end_without_a_word_is_a_sentence():
    with pytest.raises(OSError, match="without a word"):
        apart(lambda: os._exit(3), 100)
    with pytest.raises(OSError, match="without a word"):
        apart(raises(SystemExit(0)), 100)


def test_memory_is_bounded():
    with pytest.raises(OSError, match=r"more memory|allocate"):
        apart(lambda: {"a": np.ones(1 << 28)}, 1000)
    assert apart(lambda: {"a": np.ones(1 << 20)}, 1000)["a"].sum() == 1 << 20


def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "CPU_S", 1)

    def work() -> dict:
        while True:
            pass

    with pytest.raises(OSError, match="longer than 1 s"):
        apart(work, 100)
    monkeypatch.setattr(module, "WALL_S", 0.2)
    with pytest.raises(OSError, match=r"longer than 0.2 s"):
        apart(lambda: time.sleep(60), 100)


def test_nothing_is_left_behind():
    before = set(os.listdir("/proc/self/fd"))
    for work in (dict, raises(ValueError("x")), lambda: os._exit(1)):
        with pytest.raises((OSError, ValueError)) if work is not dict else pytest.MonkeyPatch.context():
            apart(work, 10)
    assert set(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
