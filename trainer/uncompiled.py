"""Functions that torch.compile runs as they are: they call compiled kernels, on numpy arrays it cannot trace."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

import torch

P = ParamSpec("P")
R = TypeVar("R")


def uncompiled(function: Callable[P, R]) -> Callable[P, R]:
    """``torch.compiler.disable``, without loading the compiler (seconds) where nobody compiles."""
    disabled: list[Callable[P, R]] = []

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if "torch._dynamo" not in sys.modules:
            return function(*args, **kwargs)
        if not disabled:
            disabled.append(cast(Any, torch.compiler.disable)(function))
        return disabled[0](*args, **kwargs)

    return run
