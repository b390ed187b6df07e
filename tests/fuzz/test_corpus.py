"""Files that `make fuzz-edges` found, of new edges and of faults that were mended: a value or one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.edges_worker import Use
from tests.fuzz.kinds import READERS
from tests.fuzz.sound import sound

CORPUS = Path(__file__).parent / "corpus"
FOUND = {reader: CORPUS / reader.replace(" ", "-") for reader in READERS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("corpus")
    (made / "sound").mkdir()
    sound(made / "sound")
    return made


@pytest.mark.parametrize("reader", [reader for reader, there in FOUND.items() if there.exists()])
def test_what_was_found_is_read_or_refused(reader: str, folder: Path):
    use = Use(reader, folder)
    files = sorted(FOUND[reader].iterdir())
    assert files
    for file in files:
        word, wrong = use.read(file.read_bytes())
        assert word in ("read", "refused"), f"{file}: {wrong}"
