"""ONNX files, in and out."""

from exchange.onnx.export import write
from exchange.onnx.file import examine, read, read_own, read_unscaled

__all__ = ["examine", "read", "read_own", "read_unscaled", "write"]
