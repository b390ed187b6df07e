"""What an ordinary layer does to values of one shape: the one table that the trainer and all file readers ask.

A layer is judged by what it does to these shapes, not by its settings: ``ceil_mode`` that adds no window, uneven
padding that no window reaches, an adaptive pooling whose windows are equal are the plain layers they amount to. Shapes
are those of one sample, without the batch. What has no counterpart is a ``ValueError`` of one sentence, which begins
with ``who``: the layer as its user knows it.
"""

from ir.layers.shapes import flatten, linear, matrix, normalization, reshape, unflatten
from ir.layers.sliding import adaptive_average_pool, average_pool, conv, max_pool, sum_pool, zero_pad
from ir.layers.window import Padding, Shape, Sides, Window

__all__ = [
    "Padding",
    "Shape",
    "Sides",
    "Window",
    "adaptive_average_pool",
    "average_pool",
    "conv",
    "flatten",
    "linear",
    "matrix",
    "max_pool",
    "normalization",
    "reshape",
    "sum_pool",
    "unflatten",
    "zero_pad",
]
