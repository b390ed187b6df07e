"""Where data sets lie, and what is said of one that does not."""

from __future__ import annotations

import os
from pathlib import Path

from ir.check import FormatError


def data_folder() -> Path:
    """Where data sets lie that are not embedded: ``UNLAYERED_DATA``, default ``../shared``."""
    return Path(os.environ.get("UNLAYERED_DATA", "../shared"))


def absent(title: str, folder: Path | str, layout: str, inside: str = "") -> FormatError:
    """What is said of a data set that is not on disk: where it was looked for, how to get it, what needs none.

    Args:
        inside: the folder of its own that it has below the data folder.
    """
    where = Path(folder).resolve()
    by_default = "UNLAYERED_DATA" not in os.environ and where.is_relative_to(data_folder().resolve())
    unset = f" (UNLAYERED_DATA is not set, and {data_folder()} is the default)" if by_default else ""
    root = f"the folder that holds {inside} by --root DIR or UNLAYERED_DATA=DIR" if inside else "it by --root DIR"
    return FormatError(
        f"{title} is not under {where}{unset}; {layout}, or name {root}; "
        "--data digits (--preset digits) is built in and needs no files"
    )
