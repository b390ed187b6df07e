"""lava-dl's ``.net`` files, in and out."""

from exchange.net.file import read
from exchange.net.write import write

__all__ = ["read", "write"]
