"""Compiled code on disk: where it is kept, when it may be used again, and a word when something is compiled."""

from __future__ import annotations

import gc
import pickle
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

from ir.check import SlowerWarning

Kernel = Callable[..., Any]

ENTRY: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
"""numba's options of what Python calls: other threads run meanwhile, dividing by 0 is no error, C does not call it."""

PART: dict[str, Any] = {**ENTRY, "_nrt": False, "no_cpython_wrapper": True}
"""Of what only kernels call: it allocates nothing, so that no references need be counted."""

listeners: list[Callable[[str, bool], None]] = []
"""Called with the name of an entry that is being compiled: when that begins (True), and when it has ended (False)."""


def kept_on_disk(
    function: Kernel, allocates: bool = True, lean: bool = False, tight: bool = False, **options: Any
) -> Kernel:
    """Compile what Python calls when it is first called, once for this version and processor.

    numba keeps it beside the source, else in the user's cache folder (``NUMBA_CACHE_DIR`` names another). Where none
    can be written, it is compiled anew in every process, and a warning says so.

    Args:
        allocates: whether it makes arrays; one that does not goes without counting references.
        lean: whether to optimize it in one round, a sixth of the time that compiling takes; only where it allocates
            nothing and uses no index below 0.
        tight: the same, into as little code as that gives; where measuring has shown that it runs no slower.
        options: numba's, of ``njit``.
    """
    from numba import njit

    from ir.parts import EntryCompiler, LeanEntryCompiler, TightEntryCompiler

    compiler = TightEntryCompiler if tight else LeanEntryCompiler if lean else EntryCompiler
    options = {**ENTRY, "_nrt": allocates, "pipeline_class": compiler, **options}
    _listen()
    try:
        dispatcher = cast(Any, njit)(cache=True, **options)(function)
        if dispatcher is not function:  # NUMBA_DISABLE_JIT: Python itself runs it
            _forget_what_is_gone(dispatcher._cache)
        return dispatcher
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
    _say_that_nothing_is_kept()
    return cast(Any, njit)(**options)(function)


def part(function: Kernel, apart: bool = False, **options: Any) -> Any:
    """Compile what only kernels call, and what allocates nothing, with its entry: see ``ir.parts``.

    It uses no index below 0: where numba adds an array's length to one, such an index lies outside here.

    Args:
        apart: the arrays that it is given share no memory, unless it only reads them.
        options: numba's, of ``njit``.
    """
    from numba import njit

    from ir.parts import ApartCompiler, PartCompiler

    compiler = ApartCompiler if apart else PartCompiler
    dispatcher = cast(Any, njit)(**{**PART, **options}, pipeline_class=compiler)(function)
    if dispatcher is not function:
        # Python's calls are looked up among what was inserted, then compiled for their arguments: here is neither.
        dispatcher._insert = _say_nothing
        dispatcher._compile_for_args = partial(_refuse, function.__qualname__)
    return dispatcher


def _say_nothing(*_: Any) -> None:
    pass


def _refuse(name: str, *_: Any, **__: Any) -> None:
    raise TypeError(f"{name} is called by kernels only; Python calls {name}.py_func")


GONE = (AttributeError, ImportError, EOFError, IndexError, KeyError, TypeError, ValueError, pickle.UnpicklingError)
"""How reading what an earlier version kept may end: classes that it names have moved, or it is damaged."""


def _forget_what_is_gone(kept: Any) -> None:
    """Have an index on disk that cannot be read count as none; numba itself looks at the entry's own file alone."""
    _check_bytes(kept._cache_file)
    load, save = kept.load_overload, kept.save_overload

    def load_or_forget(signature: Any, target: Any) -> Any:
        try:
            return load(signature, target)
        except GONE:
            kept.flush()
            return None

    def save_or_go_on(signature: Any, data: Any) -> None:
        try:
            save(signature, data)
        except OSError:  # a full disk, or a folder that is read-only meanwhile: what was compiled runs all the same
            _say_that_nothing_is_kept()

    kept.load_overload, kept.save_overload = load_or_forget, save_or_go_on


MARK = b"CRC-32: "
"""Stands behind what is kept, before four bytes; pickle itself looks no further than its own end."""


def _check_bytes(file: Any) -> None:
    """Have numba write a checksum behind everything that it keeps, and look at it before anything is made of it.

    numba has none: a flipped byte in compiled code would be run. What an earlier release kept is used as it is.
    """
    dump, load_index = file._dump, file._load_index

    def dump_with_sum(value: Any) -> bytes:
        content = dump(value)
        return content + MARK + zlib.crc32(content).to_bytes(4, "little")

    def load_data(name: str) -> Any:
        return pickle.loads(_checked(Path(file._data_path(name)).read_bytes()))

    def load_checked_index() -> Any:
        with suppress(FileNotFoundError), Path(file._index_path).open("rb") as index:
            if pickle.load(index) == file._version:
                _checked(index.read())
        return load_index()

    file._dump, file._load_data, file._load_index = dump_with_sum, load_data, load_checked_index


def _checked(content: bytes) -> bytes:
    """The same bytes; raises ValueError where a checksum behind them is another's."""
    if content[-12:-4] == MARK and zlib.crc32(content[:-12]) != int.from_bytes(content[-4:], "little"):
        raise ValueError("compiled code on disk is not what was written")
    return content


@cache
def _say_that_nothing_is_kept() -> None:
    warnings.warn(
        "no folder for compiled code can be written, so that it is compiled anew in every process; set NUMBA_CACHE_DIR "
        "to one that can",
        SlowerWarning,
        stacklevel=2,
    )


def fingerprint(folder: Path) -> int:
    """A number that changes with the source of any kernel of a folder.

    numba keeps compiled code as long as the entry's own file is unchanged, although the functions it calls, in other
    files, were compiled into it. The entries therefore close over this number, which is part of numba's key.
    """
    here = Path(__file__).parent
    texts = (path.read_bytes() for path in (*sorted(folder.glob("*.py")), here / "held.py", here / "parts.py"))
    return zlib.crc32(b"".join(texts)) | 1


@cache
def _listen() -> None:
    """Hear from numba when a function that Python called begins and ends to be compiled; loading it is silent.

    Meanwhile Python looks for no cycles of garbage: compiling makes millions of objects that live until its end, and to
    go through them, and through all that was imported, again and again took a fifth of the time.
    """
    from numba.core import event

    class Compiling(event.Listener):  # type: ignore[misc]
        depth = 0
        collects = False

        def on_start(self, event: Any) -> None:
            if self.depth == 0:
                _tell(event, True)
                self.collects = gc.isenabled()
                gc.disable()
            self.depth += 1

        def on_end(self, event: Any) -> None:
            self.depth -= 1
            if self.depth == 0:
                if self.collects:
                    gc.enable()
                _tell(event, False)

    event.register("numba:compile", Compiling())


def _tell(event: Any, begins: bool) -> None:
    dispatcher: Any | None = event.data.get("dispatcher")
    name = "" if dispatcher is None else dispatcher.py_func.__name__
    for listener in listeners:
        listener(name, begins)
