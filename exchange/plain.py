"""Files as the disk holds them: what can be read, and what is written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from exchange.temporary import LOCKS, made_beside, remove_litter, removed, removed_if_ended
from ir.check import FormatError

PIECE_BYTES = 16 << 20


def check_readable(path: Path) -> None:
    """Raise unless ``path`` leads to a plain file: a folder holds no bytes, and a pipe is waited for without end.

    Raises:
        FormatError: missing, a folder, a pipe or device, or a link that leads to itself.
    """
    try:
        if path.is_file():
            return
        if path.is_dir():
            raise FormatError(f"{path} is a folder; name a file")
        if path.exists():
            raise FormatError(f"{path} is no plain file; name one")
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}; check the path") from error
    led = f" (a link to {os.readlink(path)})" if path.is_symlink() else ""
    raise FormatError(f"{path}{led} does not exist; check the path")


def target_of(path: Path) -> Path:
    """The file that a name stands for, through links; they stay what they are.

    Raises:
        FormatError: a link leads to itself, or what is there is no plain file: renaming would replace a pipe or device.
    """
    try:
        os.stat(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FormatError(f"cannot write {path}: it is a link that leads to itself; choose another name") from error
    if path.exists() and not path.is_file():
        raise FormatError(f"cannot write {path}: it is there and no plain file; choose another name")
    return Path(os.path.realpath(path))


def write_atomically(path: str | Path, content: bytes | memoryview) -> None:
    """Write to a temporary file beside ``path``, then rename."""
    write_together({Path(path): content})


def write_together(contents: Mapping[Path, bytes | memoryview]) -> None:
    """Write several files that appear together or not at all: each to a temporary file beside it, then all renamed.

    A link keeps leading where it leads: what it leads to is written. New files get the rights that the umask leaves.

    Raises:
        FormatError: a folder is missing, the disk is full, or a path is there already and no plain file.
    """
    names: list[str] = []
    path = Path()
    try:
        with removed_if_ended(names), removed_at_last(names), ExitStack() as open_files:
            targets: list[Path] = []
            for path, content in contents.items():
                targets.append(target_of(path))
                remove_litter(targets[-1])
                file = open_files.enter_context(made_beside(targets[-1], names))
                for begin in range(0, len(content), PIECE_BYTES):  # signals are heard between two pieces
                    file.write(memoryview(content)[begin : begin + PIECE_BYTES])
                file.flush()
                os.fsync(file.fileno())
                if not LOCKS:
                    file.close()
            for path, name in zip(targets, names):
                os.replace(name, path)
    except OSError as error:
        raise unwritten(path, error) from error


def unwritten(path: Path, error: OSError) -> FormatError:
    """What is said of a file or folder that the system does not let us write."""
    return FormatError(f"cannot write {path}: {error.strerror or error}; free some space or choose another folder")


def newer(version: object, known: int) -> str:
    """What is said of a file whose form a later release has written, behind its name."""
    return f"has format version {version!r}, this release reads up to {known}; update unlayered"


@contextmanager
def removed_at_last(names: Sequence[str]) -> Generator[None, None, None]:
    """Remove those of the files and folders that are still there when all is done, or when it went wrong."""
    try:
        yield
    finally:
        for name in names:
            removed(name)
