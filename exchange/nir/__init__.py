"""NIR files, in and out."""

from exchange.nir.file import FRAMEWORKS, problems, read, source_of
from exchange.nir.own import write

__all__ = ["FRAMEWORKS", "problems", "read", "source_of", "write"]
