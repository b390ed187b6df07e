"""The processes that train together, as torchrun starts them: which one this is, and what goes from one to another."""

from __future__ import annotations

import atexit
import importlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256

import torch
import torch.distributed as distributed
from torch import Tensor

from ir.check import TargetError, require

PATIENCE = timedelta(minutes=10)
"""How long a process waits for another that is there and says nothing; one that has ended is noticed at once."""

MAX_WHY = 120
"""Characters of what torch says that are told."""


def rank() -> int:
    """Which of the processes that train together this is."""
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def join() -> None:
    """Where torchrun started this process, join the others: each then trains on its share of every batch.

    Raises:
        TargetError: they are not there.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and not distributed.is_initialized():
        # The compiler that torch's optimizers import keeps alive a group made before it, and with it gloo's threads,
        # which abort the interpreter on its way out: import it first, and leave the group before the end.
        importlib.import_module("torch._dynamo")
        with _together():
            distributed.init_process_group("gloo", timeout=PATIENCE)
        atexit.register(distributed.destroy_process_group)


@contextmanager
def _together() -> Generator[None]:
    """Inside, what torch says where another process is gone becomes one sentence."""
    try:
        yield
    except RuntimeError as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        why = said.rpartition("] ")[2][:MAX_WHY] if said.startswith("[") else said[:MAX_WHY]
        raise TargetError(f"another process of this training is lost ({why})") from error


def add_up(x: Tensor) -> Tensor:
    """The sum over all processes, in place; the order of additions is torch's own."""
    if world() > 1:
        with _together():
            distributed.all_reduce(x)
    return x


def gathered(own: list[Tensor]) -> list[list[Tensor]]:
    """What every process has, by rank; tensors of the same shapes and types in all of them."""
    if world() == 1:
        return [own]
    by_size = sorted(range(len(own)), key=lambda i: -own[i].element_size())  # so that views stay aligned
    packed = torch.cat([own[i].detach().contiguous().reshape(-1).view(torch.uint8) for i in by_size])
    found = [torch.empty_like(packed) for _ in range(world())]
    with _together():
        distributed.all_gather(found, packed)
    sizes = [own[i].numel() * own[i].element_size() for i in by_size]
    rows: list[list[Tensor]] = []
    for bits in found:
        parts = zip(by_size, bits.split(sizes))
        here = {i: part.view(own[i].dtype).reshape(own[i].shape) for i, part in parts}
        rows.append([here[i] for i in range(len(own))])
    return rows


def of_the_first(content: bytes | None) -> bytes | None:
    """What the first process gives, in all of them; None = nothing."""
    if world() == 1:
        return content
    size = torch.tensor([-1 if content is None or rank() > 0 else len(content)])
    with _together():
        distributed.broadcast(size, 0)
        if int(size) < 0:
            return None
        bits = torch.empty(int(size), dtype=torch.uint8)
        if rank() == 0 and content:
            bits = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        distributed.broadcast(bits, 0)
    return bits.numpy().tobytes()


def wait_for_all() -> None:
    """Go on when every process is here."""
    if world() > 1:
        with _together():
            distributed.barrier()


def agree(facts: dict[str, str]) -> None:
    """Raise, in all processes, unless each fact is the same in all of them."""
    if world() == 1:
        return
    rows = [torch.frombuffer(bytearray(sha256(x.encode()).digest()), dtype=torch.uint8) for x in facts.values()]
    told = [x for (x,) in gathered([torch.stack(rows)])]
    for other, theirs in enumerate(told):
        for name, same in zip(facts, (theirs == told[0]).all(1).tolist()):
            require(same, f"rank {other} has other {name} than rank 0; start all with the same command, code and data")
