"""In which order a model of its own calls its layers: its ``forward`` is run on a frame, and watched."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ir.check import require
from trainer.linear_map import as_evaluated

FORWARD_ERRORS = (TypeError, ValueError, RuntimeError, IndexError, AttributeError, KeyError, AssertionError)
"""What a ``forward`` raises on frames of another shape than its own."""

AMPLITUDE = 4.0
"""Of the frame: enough for spikes, so that what is done to them shows."""


def in_calling_order(model: nn.Module, chain: list[nn.Module], in_shape: Sequence[int]) -> list[nn.Module]:
    """The layers of ``chain`` in the order in which the model's ``forward`` calls them.

    A plain sequence has no other order than its own, nor has a model without a ``forward``. One whose ``forward`` takes
    neither a frame nor frames is read in order of assignment, after a warning.

    Raises:
        ValueError: a layer acts twice a time step, or something that is no module acts between two of them.
    """
    if isinstance(model, nn.Sequential) or len(chain) < 2 or type(model).forward is nn.Module.forward:
        return chain
    who = type(model).__name__
    calls, frame = _calls(model, chain, tuple(in_shape))
    if not calls:
        warnings.warn(
            f"the forward of {who} runs neither on a frame {tuple(in_shape)} nor on several, so its layers are read in "
            "the order they were assigned in; if they act in another, pass them with layers=",
            UserWarning,
            stacklevel=3,
        )
        return chain
    order = list({id(layer): layer for layer, _, _ in calls}.values())
    often = [sum(layer is x for x, _, _ in calls) for layer in order]
    most = order[often.index(max(often))]
    require(
        len(set(often)) == 1,
        f"the forward of {who} calls its {type(most).__name__} {max(often)} times and its "
        f"{type(order[often.index(min(often))]).__name__} {min(often)} times; make it a module for each place, or pass "
        "the layers in their order with layers=",
    )
    _check_nothing_between(who, order, calls, frame)
    return order


Call = tuple[nn.Module, Tensor, Tensor]
"""A layer, what it was given and what it gave."""


def _check_nothing_between(who: str, order: list[nn.Module], calls: list[Call], frame: Tensor) -> None:
    """Raise where a layer gets anything but what the one before it gave, or the first anything but the frame."""
    before = frame
    for i, (layer, given, gave) in enumerate(calls):
        place = i % len(order)
        require(
            layer is order[place],
            f"the forward of {who} calls its layers in more than one order; pass them in the right one with layers=",
        )
        ahead, before = ("the frame", frame) if place == 0 else (type(order[place - 1]).__name__, before)
        require(
            given.numel() == before.numel() and torch.equal(given.flatten(), before.flatten()),
            f"the forward of {who} does something that no module does between {ahead} and {type(layer).__name__}; make "
            "it a module (nn.Flatten, nn.AvgPool2d, ...), or pass the layers with layers= to leave it out",
        )
        before = gave


def _calls(model: nn.Module, chain: list[nn.Module], in_shape: tuple[int, ...]) -> tuple[list[Call], Tensor]:
    """What the layers were given and gave, call by call, and the frame; no calls where no shape of input suits."""
    like = next((x for x in model.parameters() if x.is_floating_point()), torch.empty(0))
    generator = torch.Generator().manual_seed(0)
    frame = (AMPLITUDE * torch.rand(in_shape, generator=generator)).to(like)
    for leading in ((1,), (2, 1), (1, 2)):
        with _watched(model, chain) as calls:
            try:
                model(frame.expand(*leading, *in_shape).clone())
            except FORWARD_ERRORS:
                continue
        if calls and calls[0][1].numel() == frame.numel():
            return calls, frame
    return [], frame


@contextmanager
def _watched(model: nn.Module, chain: list[nn.Module]) -> Generator[list[Call]]:
    """Note what each layer is given and gives; afterwards the model is as it was, states of neurons included."""
    calls: list[Call] = []

    def note(layer: nn.Module, given: tuple[Any, ...], gave: Any) -> None:
        first = gave[0] if isinstance(gave, tuple) else gave
        calls.append((layer, given[0].detach().clone(), first.detach().clone()))

    modules = list(model.modules())
    kept = [(dict(vars(m)), dict(m._buffers), _copied(m._buffers)) for m in modules]
    handles = [layer.register_forward_hook(note) for layer in chain]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), as_evaluated(model):
            yield calls
    finally:
        for handle in handles:
            handle.remove()
        for m, (attributes, buffers, values) in zip(modules, kept):
            vars(m).clear()
            vars(m).update(attributes)
            m._buffers.clear()
            m._buffers.update(buffers)
            for name, value in values.items():
                m.get_buffer(name).copy_(value)


def _copied(buffers: dict[str, Tensor | None]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in buffers.items() if value is not None}
