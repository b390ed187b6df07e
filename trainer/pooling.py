"""Max pooling layers behind neurons: which they are, and what lies between the spikes and the neurons that pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ir.check import require
from trainer.linear_map import DROPOUTS, MAX_POOLINGS, chained, check_plain, kernel_of, max_pool_map, unpacked
from trainer.merge import LinearMap, compose

Shape = tuple[int, ...]


def pools(layer: nn.Module) -> bool:
    """Whether a layer takes the largest of several values, which only neurons behind it can say."""
    return isinstance(layer, MAX_POOLINGS) and any(side > 1 for side in kernel_of(layer))


def fold_pooling(layers: nn.Module, in_shape: Shape, like: Tensor) -> LinearMap:
    """Fold what lies between spikes and the neurons of a max pooling (``trainer.neuron.MaxPooling``).

    Raises:
        ValueError: it is no max pooling with nothing but moved values around it.
    """
    chain = unpacked(layers)
    at = [i for i, layer in enumerate(chain) if isinstance(layer, MAX_POOLINGS)]
    require(len(at) == 1, f"a MaxPooling follows one MaxPool1d or MaxPool2d, not {len(at)}; leave other layers to LIF")
    before, after = nn.Sequential(*chain[: at[0]]), nn.Sequential(*chain[at[0] + 1 :])
    total = chained(before, in_shape, like)
    check_moving(total, type(chain[at[0]]).__name__)
    layer, who = chain[at[0]], type(chain[at[0]]).__name__
    check_plain(layer)
    total = compose(total, max_pool_map(who, layer, total.out_shape, like, of_spikes=True))
    last = chained(after, total.out_shape, like)
    check_moving(last, who)
    return compose(total, last)


def check_moving(linear: LinearMap, who: str) -> None:
    """Raise unless layers around a max pooling move spikes and do nothing else to them: no weights, no sums."""
    if linear.weight is None:
        return
    w = linear.weight
    one = w.ndim == 4 and w.shape[1] == 1 and linear.bias is None
    ones = one and bool(((w == 0) | (w == 1)).all()) and bool((w.sum((1, 2, 3)) <= 1).all())
    require(
        ones,
        f"{who} has no asynchronous meaning on currents, before the neurons; put it behind its neurons, on spikes, or "
        "use an average or sum pooling",
    )


def is_single(layer: nn.Module, shape: Shape) -> bool:
    """Whether every window of a max pooling sees one value of that shape: it picks, which is linear."""
    try:
        max_pool_map(type(layer).__name__, layer, shape, torch.empty(0))
    except ValueError:
        return False
    return True


def in_their_place(
    chain: Sequence[nn.Module], shape: Shape, pool: str | None, is_neuron: Callable[[nn.Module], bool]
) -> list[nn.Module]:
    """A chain of layers and neurons whose max poolings are all behind neurons, or pick single values.

    Args:
        shape: of the chain's input.
        pool: ``after`` moves those on currents behind the neurons that follow; None refuses them.

    Raises:
        ValueError: a max pooling on currents, and ``pool`` does not move it, or other layers than neurons follow.
    """
    found: list[nn.Module] = []
    pending: list[nn.Module] = []
    moved: list[nn.Module] = []
    left = list(chain)
    while left and any(map(pools, chain)):
        layer = left.pop(0)
        if is_neuron(layer):
            shape, pending = chained(nn.Sequential(*pending), shape).out_shape, []
            found.append(layer)
            left, moved = moved + left, []
            continue
        before = chained(nn.Sequential(*pending), shape) if pools(layer) else None
        several = before is not None and not is_single(layer, before.out_shape)
        if moved or (before is not None and several and before.weight is not None):
            _check_movable(layer, bool(moved), pool)
            moved.append(layer)
            continue
        found.append(layer)
        pending.append(layer)
        if several:
            shape, pending = fold_pooling(nn.Sequential(*pending), shape, torch.empty(0)).out_shape, []
    return found + moved + left


def keeps_spikes(layer: nn.Module) -> bool:
    """Whether a layer leaves spikes what they are."""
    return isinstance(layer, (nn.Identity, nn.Flatten, nn.Unflatten, *DROPOUTS))


def _check_movable(layer: nn.Module, follows: bool, pool: str | None) -> None:
    """Raise unless a max pooling on currents, or what ``follows`` it, may go behind the next neurons."""
    who = type(layer).__name__
    require(
        pool == "after",
        f"{who} before its neurons takes the largest of currents, which has no asynchronous meaning; pool='after' puts "
        "it behind them, on spikes (another network: train it further), or use an average or sum pooling",
    )
    require(
        not follows or pools(layer) or keeps_spikes(layer),
        f"{who} stands between a max pooling and its neurons, so that pool='after' cannot put the pooling behind them; "
        "put the neurons right after the pooling, or it behind them",
    )
