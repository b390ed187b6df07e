"""Where results go: looked at before the work, so that nothing is computed that cannot be written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from exchange.pieces import in_pieces
from exchange.plain import target_of
from ir.check import FormatError


def check_destinations(*paths: Path) -> None:
    """Raise unless every path names a file of its own in a folder that can be written.

    Raises:
        FormatError: says which path, and what to choose.
    """
    for path in paths:
        if in_pieces(path) and (path.exists() or path.is_symlink()):
            raise FormatError(f"cannot write {path}: it is there already; remove it first, or choose another name")
        if path.is_dir():
            raise FormatError(f"cannot write {path}: it is a folder; name a file in it")
        folder = target_of(path).parent if path.is_symlink() else path.parent
        if not folder.is_dir():
            raise FormatError(f"cannot write {path}: there is no folder {folder}; make it or choose another folder")
        if not os.access(folder, os.W_OK):
            raise FormatError(f"cannot write {path}: folder {folder} is read-only; choose another folder")
    if len({target_of(path) for path in paths}) < len(paths):
        raise FormatError(f"{paths[0]} is asked to hold two results; give each a name of its own")


def check_apart(out: Path, *read: Path) -> None:
    """Raise where a result would replace what it is computed from.

    Raises:
        FormatError: which file.
    """
    for path in read:
        if out.is_file() and path.is_file() and os.path.samefile(out, path):
            raise FormatError(f"cannot write {out}: it is read here, too, and would be gone; choose another name")
        if out.is_file() and path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise FormatError(f"cannot write {out}: it is there already, among what is read; choose another folder")


def check_all_apart(results: Sequence[Path], network: Path, *read: Path | None) -> None:
    """Raise where one of the results would replace what all are computed from.

    Args:
        network: a file, or a train folder, whose own files count as read.
        read: other files and folders; None = none.

    Raises:
        FormatError: which file.
    """
    from exchange.train_files import files_of

    for path in results:
        check_apart(path, *files_of(network), *(x for x in read if x is not None))


def check_ending(path: Path, ending: str | tuple[str, ...] = ".npz", what: str = "a mapped network") -> None:
    """Raise unless a result gets an ending by which it is read again.

    Raises:
        FormatError: it has another.
    """
    endings = (ending,) if isinstance(ending, str) else ending
    if path.suffix not in endings:
        raise FormatError(f"cannot write {path}: {what} ends in {' or '.join(endings)}; name it so")
