"""Registers of neurons between services, in Python's whole numbers: leak, charge, bias, fire."""

from __future__ import annotations

from collections.abc import Iterable

from ir.arithmetic import DECAY_ALL, LIMITS
from targets.clockless.wiring import NO_RESET, SUBTRACT, SUBTRACT_LATE, ZERO, ZERO_LATE, Wiring

INT32, ACCUMULATOR, U, V = range(len(LIMITS))


def into(x: int, bits: int) -> int:
    """Two's complement in ``bits`` bits beside the sign."""
    half = 1 << bits
    return ((x + half) & (2 * half - 1)) - half


class Registers:
    """All neurons of a network: ``v``, ``u``, who resets late, who rests, and up to which frame each has leaked.

    Args:
        lazy: a neuron leaks when it is next touched; else at every frame.
    """

    def __init__(self, wiring: Wiring, lazy: bool) -> None:
        self.wiring, self.lazy = wiring, lazy
        n = wiring.n_neurons
        self.v, self.u, self.late, self.rests = [0] * n, [0] * n, [0] * n, [False] * n
        self.frame = [-1] * n
        self.limits = [0] * len(LIMITS)

    def begin_frame(self, neurons: Iterable[int], t: int) -> None:
        """Clear who rests; leak unless that waits."""
        for i in neurons:
            self.rests[i] = False
            if not self.lazy:
                self.settle(i, t)

    def settle(self, i: int, t: int) -> bool:
        """Let a neuron leak up to frame t, with the resets on the way; returns whether it had not."""
        w, waited = self.wiring, self.frame[i] < t
        p = int(w.population[i])
        for frame in range(self.frame[i] + 1, t + 1):
            every = int(w.interval[p])
            if every and (frame + 1 - int(w.offset[p])) % every == 0:
                self.v[i] = self.u[i] = self.late[i] = 0
            self.v[i] = _leak(self.v[i], int(w.decay_v[i]))
            self.u[i] = _leak(self.u[i], int(w.decay_u[i])) if w.has_current[p] else 0
            if self.late[i]:
                self.v[i] = 0 if w.reset[p] == ZERO_LATE else self._edge_v(i, self.v[i] - int(w.threshold[i]))
                self.late[i] = 0
        self.frame[i] = t
        return waited

    def _count(self, limit: int, before: int, after: int) -> int:
        self.limits[limit] += before != after
        return after

    def _int32(self, x: int) -> int:
        return self._count(INT32, x, into(x, 31))

    def _edge_u(self, x: int) -> int:
        a = self.wiring.arithmetic
        edge = 1 << a.u_bits
        if a.u_wrap == "two_sided":
            held = into(x, a.u_bits)
        elif a.u_wrap == "saturate":
            held = min(max(x, 1 - edge), edge - 1)
        else:
            held = x - 2 * edge if x > edge else x + 2 * edge if x <= -edge else x
        return self._count(U, x, held)

    def _edge_v(self, i: int, v: int) -> int:
        return self._count(V, v, min(max(v, int(self.wiring.v_min[i])), self.wiring.arithmetic.v_max))

    def drive(self, i: int, sums: dict[int, int]) -> int:
        """What the sums of a neuron's slots bring, in register units."""
        w, total = self.wiring, 0
        for slot in w.slots[w.slots_start[i] : w.slots_start[i + 1]].tolist():
            exact, exponent = sums.get(slot, 0), int(w.slot_exponent[slot])
            total += self._int32(exact << exponent if exponent >= 0 else exact >> -exponent)
        x = self._int32(self._int32(total) << w.arithmetic.weight_shift)
        bits = w.arithmetic.accumulator_bits
        return x if bits is None else self._count(ACCUMULATOR, x, into(x, bits))

    def receive(self, i: int, x: int, due: bool) -> bool:
        """Add a drive, and what comes once a frame where it is ``due``; returns whether the neuron fires now."""
        w = self.wiring
        p, a = int(w.population[i]), w.arithmetic
        keeps = bool(w.has_current[p])
        u = self._edge_u(self._int32((self.u[i] if keeps else 0) + x + (int(w.bias_u[i]) if due else 0)))
        self.u[i] = u if keeps else 0
        arriving, bias = u if due or not keeps else x, int(w.bias[i]) if due else 0
        if a.bias_in_u and due:
            arriving, bias = self._edge_u(arriving + bias), 0
        self.v[i] = self._edge_v(i, self._int32(self.v[i] + arriving + bias))
        if self.rests[i] and w.reset[p] == ZERO:
            self.v[i] = 0
        return self.v[i] > int(w.threshold[i]) and not self.rests[i]

    def fire(self, i: int) -> int:
        """Reset a neuron that fires, or note that it resets late; returns its membrane before."""
        w, m = self.wiring, self.v[i]
        p = int(w.population[i])
        late = w.reset[p] in (ZERO_LATE, SUBTRACT_LATE)
        left = m - int(w.threshold[i]) if w.reset[p] == SUBTRACT else 0
        self.v[i] = m if late or w.reset[p] == NO_RESET else left
        self.late[i] = int(late)
        self.rests[i] = bool(w.refractory[p])
        return m


def _leak(x: int, decay: int) -> int:
    """Toward zero."""
    left = (abs(x) * (DECAY_ALL - decay)) >> 12
    return left if x >= 0 else -left
