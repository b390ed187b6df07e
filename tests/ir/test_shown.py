"""Networks and traces print in a few lines that tell what they are; pictures hold names as text, never markup."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir.connection import Dense
from ir.mapped import one_large_core
from ir.network import Input, Network, Population, Projection
from ir.neurons import LIF
from ir.picture import MOST_SPIKES
from ir.schedule import Schedule
from ir.shown import MOST_COLUMNS, fitted, schedule_words, wrapped
from ir.stimulus import Stimulus
from sim_reference.simulate import run
from tests.strategies.networks import networks
from tests.strategies.runs import stimuli

HOSTILE = "<script>alert('x')</script>\x1b[31m" + "n" * 500


def chain(n: int, name: str = "layer") -> Network:
    """Populations one behind the other."""
    names = ["in", *(f"{name}{i}" for i in range(n))]
    ends = tuple(Projection(a, b, Dense(np.ones((4, 4)))) for a, b in pairwise(names))
    neurons = LIF(tau_mem_s=np.array([1e-3, 2e-3, 3e-3, 4e-3]), v_threshold=0.25, reset="subtract")
    return Network((Input("in", (4,)),), tuple(Population(x, (4,), neurons) for x in names[1:]), ends, names[-1])


def svg(html: str) -> ElementTree.Element:
    """The picture in a piece of HTML; raises unless it is well-formed."""
    return ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])


def test_a_network_says_sizes_populations_constants_and_schedule():
    assert repr(chain(2)).splitlines() == [
        "Network: 8 neurons, 32 weights, input in 4",
        "  layer0 4: LIF tau_mem 1..4 ms, threshold 0.25, reset subtract <- in (dense 16)",
        "  layer1 4 (output): LIF tau_mem 1..4 ms, threshold 0.25, reset subtract <- layer0 (dense 16)",
        "  schedule asynchronous, F = 8, order momentum; time step 1 ms",
    ]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60), st.integers(0, 8))
def test_a_line_too_long_loses_words_at_its_end_and_no_digits(numbers: list[int], indent: int):
    words = " " * indent + " ".join(map(str, numbers))
    line = fitted(words)
    assert len(line) <= MOST_COLUMNS and line.startswith(" " * indent)
    kept = line.split()
    assert kept == words.split() or (kept[-1] == "..." and kept[:-1] == words.split()[: len(kept) - 1] and kept[:-1])
    assert " ".join(wrapped(words[: 2 * MOST_COLUMNS])).split() == words[: 2 * MOST_COLUMNS].split()


def test_a_deep_network_says_how_much_is_left_out():
    lines = repr(chain(40)).splitlines()
    assert len(lines) <= 10 and lines[-2] == "  ... and 35 more populations"


def test_a_mapped_network_says_chip_and_cores(mapped):
    lines = repr(mapped).splitlines()
    assert lines[0] == "MappedNetwork: 3 cores on Intel Loihi 2, 4 to 4 neurons each"
    assert "hidden 8: FixedLIF decay_v 400, threshold 250 <- in (dense 96)" in lines[2]
    assert "one large core, unmapped" in repr(one_large_core(mapped.network))


def test_a_trace_says_spikes_schedule_and_what_it_holds(mapped, stimulus):
    trace = run(mapped, stimulus, Schedule(F=1, order="random", seed=5))
    lines = repr(trace).splitlines()
    assert lines[0].startswith(f"Trace of E2: 3 samples, 5 time steps, {len(trace.spikes):,} spikes, ")
    assert lines[-2:] == [
        "  schedule asynchronous, F = 1, order random, seed 5; contract 2",
        "  holds spikes, v, labels",
    ]


def test_layered_runs_say_no_queue():
    assert schedule_words(Schedule("layered", F=3)) == "layered"


@given(st.data())
@settings(max_examples=60)
def test_whatever_is_drawn_prints_in_ten_lines_with_a_picture(data):
    network = data.draw(networks())
    stimulus = data.draw(stimuli(network))
    schedule = Schedule("layered") if any(np.any(e.delay_steps) for e in network.projections) else None
    for value in (network, one_large_core(network), run(network, stimulus, schedule or Schedule(stop_after=9))):
        lines = repr(value).splitlines()
        assert len(lines) <= 10 and max(map(len, lines)) <= 120
        html = value._repr_html_()
        assert len(html) < 100_000 and svg(html).tag.endswith("svg") and "http" not in html.replace("http://www.w3", "")


@pytest.mark.parametrize("n", [1, 30])
def test_names_of_strangers_are_text_and_never_markup(n: int):
    html = chain(n, HOSTILE)._repr_html_()
    assert "<script" not in html and "\x1b" not in html and len(html) < 60_000
    svg(html)


def test_a_picture_of_many_spikes_shows_some(mapped):
    frames = np.ones((2000, 1, 12), np.int32)
    trace = run(mapped, Stimulus(frames), Schedule("layered"), record=())
    assert len(trace.spikes) > 2 * MOST_SPIKES
    assert trace._repr_html_().count("h0") <= MOST_SPIKES
    assert "spikes a population" in replace(trace, spikes=None)._repr_html_()
