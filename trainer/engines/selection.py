"""Which queue entries are served: keys and order rules on tensors, a row a sample."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ir.schedule import stream
from trainer.engines.call import Call
from trainer.engines.options import INPUT_DROP

LAST = torch.iinfo(torch.int64).max
_SIGN = -(1 << 63)


def _signed(x: int) -> int:
    """The int64 with the same 64 bits."""
    x %= 1 << 64
    return x - (1 << 64) if x >= 1 << 63 else x


def _shift_right(x: Tensor, n: int) -> Tensor:
    """Logical shift of the 64 bits."""
    return (x >> n).bitwise_and_((1 << (64 - n)) - 1)


def _mix(x: Tensor) -> Tensor:
    """``ir.schedule.mix`` on int64 tensors, whose arithmetic wraps the same way."""
    x = x + _signed(0x9E3779B97F4A7C15)
    x.bitwise_xor_(_shift_right(x, 30)).mul_(_signed(0xBF58476D1CE4E5B9))
    x.bitwise_xor_(_shift_right(x, 27)).mul_(_signed(0x94D049BB133111EB))
    return x.bitwise_xor_(_shift_right(x, 31))


def sample_prefix(seed: int, samples: Tensor) -> Tensor:
    """The part of a key that everything in a sample shares; as ``samples``."""
    return _mix(_mix(torch.tensor(_signed(seed), device=samples.device)) + samples)


def _prefix(seed: int, samples: Tensor, t: int, k: int) -> Tensor:
    """The part of a key that all neurons of a sample's round share; as ``samples``."""
    return _mix(_mix(sample_prefix(seed, samples) + t) + k)


def keys(seed: int, samples: Tensor, t: int, k: int, neurons: Tensor) -> Tensor:
    """The keys of ``ir.schedule.key`` as int64 in the same order (sign bit flipped).

    Args:
        samples: (B,) ids.
        neurons: (N,) or (B, N) indices.

    Returns:
        (B, N).
    """
    return _mix(_prefix(seed, samples, t, k)[:, None] + neurons).bitwise_xor_(_SIGN)


def _uniform(bits: Tensor) -> Tensor:
    """The upper 53 bits as float64 in [0, 1)."""
    return _shift_right(bits, 11).to(torch.float64).mul_(2.0**-53)


def chance(seed: int, samples: Tensor, t: int, k: int, neurons: Tensor, dtype: torch.dtype) -> Tensor:
    """Uniform numbers in [0, 1) with the address as their only source of randomness; (B, N)."""
    return _uniform(_mix(_prefix(seed, samples, t, k)[:, None] + neurons)).to(dtype)


def kept_inputs(frames: Tensor, n_neurons: int, samples: Tensor, seed: int, probability: float, t0: int = 0) -> Tensor:
    """Which inputs of ``frames`` (T, B, N_in), the first of time step ``t0``, stay; each decision is a function of its
    address."""
    inputs = torch.arange(frames.shape[2], device=frames.device) + n_neurons
    seed = stream(seed, INPUT_DROP)
    rows = [chance(seed, samples, t0 + t, 0, inputs, torch.float64) for t in range(frames.shape[0])]
    return torch.stack(rows) >= probability if rows else torch.ones_like(frames, dtype=torch.bool)


def with_kept_inputs(call: Call) -> Call:
    """The call without the inputs that its options drop."""
    options = call.options
    if options.input_dropout == 0:
        return call
    kept = kept_inputs(
        call.frames, call.plan.n_neurons, call.sample_ids, call.schedule.seed, options.input_dropout, call.t0
    )
    return replace(call, frames=call.frames * kept, options=replace(options, input_dropout=0.0))


def happens(where: Tensor, probability: float, seed: int, samples: Tensor, t: int, k: int) -> Tensor:
    """Draw, with one ``probability``, only where asked: ``where`` (B, N) bool, cleared where the draw says no."""
    b, j = where.nonzero(as_tuple=True)
    happened = torch.zeros_like(where)
    happened[b, j] = _uniform(_mix(_prefix(seed, samples, t, k)[b] + j)) < probability
    return happened


def rank_by_momentum(m: Tensor, tie: Tensor) -> Tensor:
    """Place of each entry when sorted by largest ``m``, ties by smallest ``tie``; (B, N)."""
    by_key = tie.argsort(dim=1)
    by_m = m.gather(1, by_key).argsort(dim=1, descending=True, stable=True)
    order = by_key.gather(1, by_m)
    places = torch.arange(m.shape[1], device=m.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)


def best(value: Tensor, candidates: Tensor, n: Tensor | int) -> Tensor:
    """Mark, in each row, the ``n`` candidates with the smallest value (all where there are fewer).

    Args:
        value: (B, N) int64, distinct among a row's candidates.
        candidates: (B, N) bool.
        n: one number or (B,).
    """
    most = int(n.max()) if isinstance(n, Tensor) else n
    most = min(most, value.shape[1])
    if most <= 0:
        return torch.zeros_like(candidates)
    top = torch.where(candidates, value, LAST).topk(most, dim=1, largest=False).indices
    keep = candidates.gather(1, top)
    if isinstance(n, Tensor):
        keep &= torch.arange(most, device=value.device)[None, :] < n[:, None]
    return torch.zeros_like(candidates).scatter_(1, top, keep)
