"""One reader inside atheris: our code is rewritten as it is imported, so that libFuzzer sees the edges it takes.

usage: python -m tests.fuzz.edges_worker READER FOLDER --once FILE

reads a file as anyone reads it, without atheris. ``tests.fuzz.edges`` does both.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NoReturn

ROOMS = ["exchange", "ir", "stimuli", "trainer", "unlayered", "sim_reference"]
"""Whose edges count."""

LIMIT_S = 10.0
"""Of a processor, for one file."""


class Use:
    """Reads what is given to it and says how that ended."""

    def __init__(self, reader: str, folder: Path) -> None:
        from tests.fuzz.kinds import READERS

        self.name, self.reader, self.folder = reader, READERS[reader], folder
        self.path = at_hand(reader, folder)
        self.ends: Counter[str] = Counter()
        self.wrong: set[str] = set()

    def read(self, content: bytes) -> tuple[str, str]:
        """The outcome in a word, and what is wrong with it; empty where nothing is."""
        from ir.check import MAX_SENTENCE, TargetError

        self.path.write_bytes(content)
        self.reader.fit(self.path)
        began = time.process_time()
        try:
            self.reader.read(self.path)
        except (ValueError, OSError, TargetError) as error:
            said = str(error)
            if "\n" in said or not said or len(said) > MAX_SENTENCE:
                return "other", f"{type(error).__name__}: no sentence: {said[:200]!r}"
            word = "refused"
        except BaseException as error:  # whatever it is: that is what is looked for
            return "other", f"{type(error).__name__}: {error}"[:300].replace("\n", " ") + _where(error)
        else:
            word = "read"
        took_s = time.process_time() - began
        return (word, "") if took_s <= LIMIT_S else ("slow", f"took {took_s:.0f} s of a processor")


def at_hand(reader: str, folder: Path) -> Path:
    """Where a worker puts the file that it reads next."""
    from tests.fuzz.kinds import READERS

    return folder / "sound" / READERS[reader].place


def _where(error: BaseException) -> str:
    at, found = error.__traceback__, ""
    while at is not None:
        found = f" at {Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}"
        at = at.tb_next
    return found


def in_this_process(work: Callable[[], dict[str, Any]], file_bytes: int) -> dict[str, Any]:
    """In the place of ``ir.apart.apart``: edges are only seen here; what comes back takes the same way."""
    from ir import apart

    try:
        answer = apart._encoded(work())
    except apart.CAUGHT as error:
        raise {"format": apart.FormatError, "value": ValueError}.get(apart._kind(error), OSError)(
            str(error) or "it takes more memory than a file of its size may"
        ) from error
    return apart._answered(bytearray(b"".join(answer)))


def mutator(use: Use, mutate: Callable[[bytes, int], bytes]) -> Callable[[bytes, int, int], bytes]:
    """Half of the files are spoilt inside, sums and all, and put together again; the others as libFuzzer likes."""
    import numpy as np

    from tests.fuzz.containers import SPOILERS

    inside = SPOILERS.get(Path(use.reader.place).suffix)

    def spoilt(content: bytes, most: int, seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        if inside is None or rng.random() < 0.5:
            return mutate(content, most)
        try:
            made = inside(content, use.folder / "rewritten", rng)
        except Exception:  # it does not hold what such a file holds: it can only be spoilt as bytes
            return mutate(content, most)
        return made if len(made) <= most else mutate(content, most)

    return spoilt


def once(reader: str, folder: Path, file: Path) -> int:
    """Read one file in the ordinary way, with the memory that any file may take."""
    from tests.fuzz.readers import limit_memory

    use = Use(reader, folder)
    use.read((folder / "begin" / reader / "0").read_bytes())
    limit_memory()
    word, wrong = use.read(file.read_bytes())
    print(wrong or word)
    return 1 if wrong else 0


def ready() -> list[str]:
    """Import everything, rewritten; the names of all readers."""
    import atheris

    with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=ROOMS):  # it names every module
        apart = importlib.import_module("ir.apart")
        apart.apart = in_this_process
        kinds = importlib.import_module("tests.fuzz.kinds")
        importlib.import_module("tests.fuzz.containers")
    return list(kinds.READERS)


def loop(reader: str, folder: Path, corpus: Path, keep: Path, seed: int) -> NoReturn:
    """Fuzz until the file ``stop`` appears in the folder; files of findings go to ``keep``.

    Atheris itself takes more and more memory: where that is half of what a file may take, another worker has to go on.
    """
    import atheris

    from tests.fuzz.readers import MAX_BYTES_A_FILE, bytes_mapped, limit_memory

    use, stop, begin = Use(reader, folder), folder / "stop", folder / "begin" / reader
    use.read((begin / "0").read_bytes())  # what is imported late is there before memory is limited
    limit_memory()
    most = bytes_mapped() + MAX_BYTES_A_FILE // 2

    def one(content: bytes) -> None:
        word, wrong = use.read(content)
        use.ends[word] += 1
        if wrong and (kind := wrong[:80]) not in use.wrong:
            use.wrong.add(kind)
            keep.mkdir(parents=True, exist_ok=True)
            file = keep / f"{reader}-{zlib.crc32(content):08x}".replace(" ", "-")
            file.write_bytes(content)
            print(f"wrong {wrong} ({file})", flush=True)
        full = sum(use.ends.values()) % 256 == 0 and bytes_mapped() > most
        if stop.exists() or full:
            print(f"ends {json.dumps(use.ends)}", flush=True)
            os._exit(0)

    words = [
        "-report_slow_units=600",
        *("-timeout=60", "-rss_limit_mb=0", "-malloc_limit_mb=0", "-reload=0", "-len_control=0"),
        *(f"-seed={seed}", f"-artifact_prefix={folder / 'dead'}/", "-max_len=65536"),
        *(str(corpus), str(begin)),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *words], one, custom_mutator=mutator(use, lambda *given: atheris.Mutate(*given)))
    atheris.Fuzz()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(once(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[4])))
