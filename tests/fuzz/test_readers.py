"""Every reader on spoilt files: a network or one sentence, nothing else; `make fuzz` does so for ten minutes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ir.formats.open import OPENERS
from tests.fuzz.readers import fuzz

SECONDS = float(os.environ.get("UNLAYERED_FUZZ_SECONDS", "2"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("ending", OPENERS)
def test_spoilt_files_are_read_or_refused_in_one_sentence(ending: str, tmp_path: Path) -> None:
    good, message = fuzz(ending, SECONDS, seed=20_000 + int(SECONDS), keep=tmp_path)
    assert good, message
