"""How counts and names are said in sentences."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def counted(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> counted(1, "core"), counted(2, "core"), counted(1200, "entry", "entries")
    ('1 core', '2 cores', '1,200 entries')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def meant(word: object, known: Iterable[object]) -> str:
    """What a misspelt name probably stands for, as a question to put behind what is wrong; empty where nothing is near.

    >>> meant("digitz", ["digits", "nmnist"]), meant("xyz", ["digits"])
    (' (did you mean digits?)', '')
    """
    names = {str(name).lower(): str(name) for name in known}
    near = difflib.get_close_matches(str(word).lower(), names, n=1, cutoff=0.6)
    return f" (did you mean {names[near[0]]}?)" if near else ""
