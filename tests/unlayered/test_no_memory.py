"""Where memory is short, a verb says so in one sentence, whoever noticed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unlayered.verbs import call, refused

TORCHS = (
    "[enforce fail at alloc_cpu.cpp:114]\nDefaultCPUAllocator: can't allocate memory: you tried to allocate 8 B.",
    "DefaultCPUAllocator: not enough memory: you tried to allocate 4000000000000 bytes.",
    "CUDA out of memory. Tried to allocate 20.00 GiB.",
    "Storage size calculation overflowed with sizes=[4611686018427387904]",
)


@pytest.mark.parametrize("error", [MemoryError(), MemoryError("Unable to allocate"), *map(RuntimeError, TORCHS)])
def test_it_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("trainer.fit.train", fails)
    sentence = refused(2, "train", "--preset", "digits", "--out", tmp_path / "net")
    assert "there is not enough memory (" in sentence and "smaller batches" in sentence


def test_another_error_of_torch_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("expected scalar type Double")

    monkeypatch.setattr("trainer.fit.train", fails)
    done = call("train", "--preset", "digits", "--out", tmp_path / "net")
    assert isinstance(done.exception, RuntimeError)
