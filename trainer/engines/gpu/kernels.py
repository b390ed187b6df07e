"""The forward kernel, and the backward kernel that runs each time step again and reads it in reverse.

What the backward pass keeps of a round is a code for every neuron: 1 the surrogate acted, 2 it fired, 4 its entry was
served, 8 it filled a silent slot, 16 what it sent was dropped; beside it membrane and entry.
"""

# pyright: reportOperatorIssue=false
# (Triton's own types call a sum a tuple.)

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from trainer.engines.gpu.device import extend, happens, prefixes, row_of, serve, signed_keys, silent_slots, update

jit: Any = triton.jit


@jit
def deliver_round(table, reach, n, waiting, q, first, lanes, h_order, h_noise, h_spike, k, room,
                  group: tl.constexpr, order: tl.constexpr, noise: tl.constexpr, drop: tl.constexpr):  # fmt: skip
    """Serve after round ``k``; the drive, who waits, who was served, the keys of the round, whose entry is dropped."""
    keys = signed_keys(extend(h_order, k), lanes)
    ranked, dropped = first, lanes < 0
    if order == 1 and noise > 0:
        drawn = (extend(extend(h_noise, k), lanes) >> 11).to(tl.float64) * 1.1102230246251565e-16
        ranked = first - tl.cast(drawn, first.dtype) * noise
    if drop > 0:
        dropped = happens(extend(h_spike, k), lanes, drop)
    drive, waiting, served = serve(table, reach, n, waiting, q, ranked, keys, dropped, lanes, room, order, group < 0)
    return drive, waiting, served, keys, dropped


@jit
def run_samples(drive0, table, reach, leak, threshold, bias, depth, refractory, sends, prefix, counts, membranes, steps,
                n_steps, n_samples, n, out_start, out_stop,
                block: tl.constexpr, group: tl.constexpr, order: tl.constexpr, biased: tl.constexpr,
                last_due: tl.constexpr, stop_after: tl.constexpr, stop_after_output: tl.constexpr,
                escape: tl.constexpr, noise: tl.constexpr, drop: tl.constexpr):  # fmt: skip
    """All time steps of the sample that this program owns; fills (T, B, N) counts and membranes, (T, B) steps."""
    b = tl.program_id(0)
    lanes = tl.arange(0, block)
    inside = lanes < n
    decay = tl.load(leak + lanes, mask=inside, other=0.0)
    above = tl.load(threshold + lanes, mask=inside, other=float("inf"))
    closing = tl.load(refractory + lanes, mask=inside, other=0) != 0
    deep = tl.load(depth + lanes, mask=inside, other=-2)
    given = tl.load(bias + lanes, mask=inside & biased, other=0.0)
    is_output = (lanes >= out_start) & (lanes < out_stop)
    has_targets = tl.load(sends + lanes, mask=inside, other=0) != 0
    v = decay * 0
    for t in range(n_steps):
        row = (tl.cast(t, tl.int64) * n_samples + b) * n
        h_order, h_escape, h_noise, h_spike = prefixes(prefix, b, t)
        drive = tl.load(drive0 + row + lanes, mask=inside, other=0.0)
        v = v * decay
        shut, waiting, q, first, count = lanes < 0, lanes < 0, v * 0, v * 0, v * 0
        k, since_output, going = 0, -1, True
        while going:
            due = tl.where(deep == k, given, 0.0)
            v, shut, waiting, q, first, _, _, fired = update(
                v, shut, waiting, q, first, drive, due, above, closing, lanes, h_escape, k, escape, order
            )
            count = tl.where(fired, count + 1.0, count)
            of_output = tl.sum((fired & is_output).to(tl.int32), 0) > 0
            since_output = tl.where(since_output >= 0, since_output + 1, tl.where(of_output, 0, -1))
            forced = (stop_after >= 0) & (k + 1 >= stop_after)
            forced = forced | ((stop_after_output >= 0) & (since_output >= stop_after_output))
            # Nothing that waits reaches anybody, and no bias is due: the last round, whose drive nobody would get.
            on_its_way = tl.sum((waiting & has_targets).to(tl.int32), 0) > 0
            going = (forced == 0) & (on_its_way | (k < last_due))
            room = tl.where(going, n if group < 0 else group, 0)
            drive, waiting, served, _, _ = deliver_round(
                table, reach, n, waiting, q, first, lanes, h_order, h_noise, h_spike, k, room,
                group, order, noise, drop,
            )  # fmt: skip
            q = tl.where(served, 0.0, q)
            k += 1
        tl.store(counts + row + lanes, count, mask=inside)
        tl.store(membranes + row + lanes, v, mask=inside)
        tl.store(steps + tl.cast(t, tl.int64) * n_samples + b, k)


@jit
def read_slots(table, reach, g_table, n, code, q, g_v, entry, lanes):
    """Step e in reverse: each slot reads the gradient of what it delivered, its weights get theirs."""
    waiting = (code & 12) != 0
    left = tl.sum(waiting.to(tl.int32), 0)
    while left > 0:
        j = tl.min(tl.where(waiting, lanes, 0x7FFFFFFF), 0)
        now = lanes == j
        dropped = tl.sum(tl.where(now, code & 16, 0), 0) != 0
        value = tl.where(dropped, 0.0, tl.sum(tl.where(now, q, 0.0), 0))
        weights, reached = row_of(table, reach, j, n, lanes)
        read = tl.where(dropped, 0.0, tl.sum(weights * g_v, 0))
        entry = tl.where(now, read, entry)
        if value != 0:
            tl.atomic_add(g_table + tl.cast(j, tl.int64) * n + lanes, value * g_v, mask=reached)
        waiting = waiting & (now == 0)
        left -= 1
    return entry


@jit
def through_spike(before, code, threshold, g_count, entry, g_v, g_threshold, shape: tl.constexpr,
                  steep: tl.constexpr, peak: tl.constexpr, silent: tl.constexpr):  # fmt: skip
    """Through reset, spike and surrogate: ``g_v`` from after the reset to before it.

    ``s = H(v - threshold)``, ``v_after = v (1 - s)``, the slope of ``trainer.surrogate`` where it acts.
    """
    acts, fired = (code & 1) != 0, (code & 2) != 0
    if silent == 2:
        entry = tl.where(fired, entry, 0.0)
    y = steep * tl.abs(before - threshold)
    if shape == 0:
        slope = peak / (1.0 + y * y)
    elif shape == 1:
        slope = peak / ((1.0 + y) * (1.0 + y))
    elif shape == 2:
        fall = tl.exp(-y)
        slope = 4.0 * peak * fall / ((1.0 + fall) * (1.0 + fall))
    else:
        slope = peak * tl.maximum(1.0 - y, 0.0)
    e = tl.where(acts, slope * (g_count + entry - g_v * before), 0.0)
    return tl.where(fired, 0.0, g_v) + e, g_threshold - e


@jit
def write_rounds(v, drive, given, threshold, refractory, deep, inside, lanes, table, reach, n, h, n_rounds, begin, stop,
                 tape_v, tape_q, tape_code,
                 group: tl.constexpr, order: tl.constexpr, escape: tl.constexpr, noise: tl.constexpr,
                 drop: tl.constexpr, silent: tl.constexpr):  # fmt: skip
    """Run a time step again up to round ``stop``, its rounds from ``begin`` onto the tape.

    Returns:
        Who was refractory before the last of these rounds.
    """
    h_order, h_escape, h_noise, h_spike = h
    shut, waiting, q, first = lanes < 0, lanes < 0, v * 0, v * 0
    closed = shut
    k = 0
    while k < stop:
        closed = shut
        due = tl.where(deep == k, given, 0.0)
        v, shut, waiting, q, first, before, acts, fired = update(
            v, shut, waiting, q, first, drive, due, threshold, refractory, lanes, h_escape, k, escape, order
        )
        goes_on = k + 1 < n_rounds
        room = tl.where(goes_on, n if group < 0 else group, 0)
        drive, waiting, served, keys, dropped = deliver_round(
            table, reach, n, waiting, q, first, lanes, h_order, h_noise, h_spike, k, room,
            group, order, noise, drop,
        )  # fmt: skip
        idle = inside & (waiting == 0) & (served == 0) & goes_on
        if silent == 2:
            idle = idle & (lanes < 0)
        if silent == 0 and group >= 0:
            idle = silent_slots(idle, keys, room - tl.sum(served.to(tl.int32), 0))
        code = tl.where(acts, 1, 0) + tl.where(fired, 2, 0) + tl.where(served, 4, 0) + tl.where(idle, 8, 0)
        code += tl.where(dropped, 16, 0)
        written = inside & (k >= begin)
        tl.store(tape_v + (k - begin) * n, before, mask=written)
        tl.store(tape_q + (k - begin) * n, q, mask=written)
        tl.store(tape_code + (k - begin) * n, code, mask=written)
        q = tl.where(served | idle, 0.0, q)
        k += 1
    return closed


@jit
def read_rounds(table, reach, g_table, n, tape_v, tape_q, tape_code, begin, stop, deep, inside, threshold, lanes,
                g_count, g_v, entry, g_threshold, g_bias, shape: tl.constexpr, steep: tl.constexpr,
                peak: tl.constexpr, silent: tl.constexpr):  # fmt: skip
    """Steps a to e in reverse, from round ``stop - 1`` to round ``begin``; the gradients that go on."""
    k = stop - 1
    while k >= begin:
        at = (k - begin) * n
        before = tl.load(tape_v + at, mask=inside, other=0.0)
        delivered = tl.load(tape_q + at, mask=inside, other=0.0)
        code = tl.load(tape_code + at, mask=inside, other=0)
        entry = read_slots(table, reach, g_table, n, code, delivered, g_v, entry, lanes)
        g_v, g_threshold = through_spike(
            before, code, threshold, g_count, entry, g_v, g_threshold, shape, steep, peak, silent
        )
        g_bias += tl.where(deep == k, g_v, 0.0)
        k -= 1
    return g_v, entry, g_threshold, g_bias


@jit
def back_through_samples(drive0, table, reach, leak, threshold, bias, depth, refractory, prefix, counts, membranes,
                         steps, g_counts, g_membranes, g_drive0, g_table, g_neuron, tape_v, tape_q, tape_code,
                         n_steps, n_samples, n, room_of_tape,
                         block: tl.constexpr, group: tl.constexpr, order: tl.constexpr, biased: tl.constexpr,
                         escape: tl.constexpr, noise: tl.constexpr, drop: tl.constexpr,
                         shape: tl.constexpr, steep: tl.constexpr, peak: tl.constexpr,
                         silent: tl.constexpr):  # fmt: skip
    """Gradients of one sample; ``g_neuron`` (3, B, N): of leak, threshold, bias.

    The last ``room_of_tape`` rounds of a time step fit on the tape; where there are more, the time step is run again
    for the rounds before them.
    """
    b = tl.program_id(0)
    lanes = tl.arange(0, block)
    inside = lanes < n
    decay = tl.load(leak + lanes, mask=inside, other=0.0)
    above = tl.load(threshold + lanes, mask=inside, other=float("inf"))
    closing = tl.load(refractory + lanes, mask=inside, other=0) != 0
    deep = tl.load(depth + lanes, mask=inside, other=-2)
    given = tl.load(bias + lanes, mask=inside & biased, other=0.0)
    tape = tl.cast(b, tl.int64) * room_of_tape * n + lanes
    g_v, g_leak, g_threshold, g_bias = decay * 0, decay * 0, decay * 0, decay * 0
    for back in range(n_steps):
        t = n_steps - 1 - back
        row = (tl.cast(t, tl.int64) * n_samples + b) * n + lanes
        h = prefixes(prefix, b, t)
        n_rounds = tl.load(steps + tl.cast(t, tl.int64) * n_samples + b).to(tl.int32)
        g_count = tl.load(g_counts + row, mask=inside, other=0.0)
        g_leak += g_v * tl.load(membranes + row, mask=inside, other=0.0)
        spiked = tl.load(counts + row, mask=inside, other=0.0) > 0
        g_v = tl.where(spiked, 0.0, g_v * decay)
        g_end = tl.load(g_membranes + row, mask=inside, other=0.0)
        entry = g_v * 0
        stop = n_rounds
        while stop > 0:
            begin = tl.maximum(stop - room_of_tape, 0)
            v = tl.load(membranes + row - n_samples * n, mask=inside & (t > 0), other=0.0) * decay
            drive = tl.load(drive0 + row, mask=inside, other=0.0)
            closed = write_rounds(
                v, drive, given, above, closing, deep, inside, lanes, table, reach, n, h, n_rounds, begin, stop,
                tape_v + tape, tape_q + tape, tape_code + tape, group, order, escape, noise, drop, silent,
            )  # fmt: skip
            tl.debug_barrier()
            g_v = tl.where(stop == n_rounds, tl.where(closed, 0.0, g_v + g_end), g_v)
            g_v, entry, g_threshold, g_bias = read_rounds(
                table, reach, g_table, n, tape_v + tape, tape_q + tape, tape_code + tape, begin, stop, deep, inside,
                above, lanes, g_count, g_v, entry, g_threshold, g_bias, shape, steep, peak, silent,
            )  # fmt: skip
            tl.debug_barrier()
            stop = begin
        tl.store(g_drive0 + row, g_v, mask=inside)
    own = tl.cast(b, tl.int64) * n + lanes
    whole = tl.cast(n_samples, tl.int64) * n
    tl.store(g_neuron + own, g_leak, mask=inside)
    tl.store(g_neuron + whole + own, g_threshold, mask=inside)
    tl.store(g_neuron + 2 * whole + own, g_bias, mask=inside)
