"""Max pooling layers behind neurons: which they are, and what lies between the spikes and the neurons that pool."""

from __future__ import annotations

from torch import Tensor, nn

from ir.check import require
from trainer.linear_map import MAX_POOLINGS, chained, check_plain, kernel_of, max_pool_map, unpacked
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
