"""The page in a browser: it renders, complains of nothing, asks the network for nothing, and the player plays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ir.mapped import MappedNetwork
from ir.stimulus import Stimulus
from ir.trace import Trace
from tests.unlayered.report.browser import Browser, find_chromium
from tests.unlayered.report.conftest import large, one_more
from unlayered.report.material import Material
from unlayered.report.run_page import run_page

MOST_BYTES = 10_000_000
MADE: list[str] = []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    with Browser(path) as opened:
        yield opened


@pytest.fixture
def page(tmp_path: Path, mapped: MappedNetwork, asynchronous: Trace, layered: Trace, stimulus: Stimulus) -> Path:
    """Three runs of a small map; drawn once."""
    if not MADE:
        runs = (("a<b>.npz", asynchronous), ("c.npz", one_more(asynchronous)), ("d.npz", layered))
        MADE.append(run_page("t", Material((), (("m", mapped),), runs, (), (), ()), stimulus, 1, "unlayered report")[0])
    path = tmp_path / "page.html"
    path.write_text(MADE[0])
    return path


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_renders_and_calls_nobody(browser: Browser, page: Path, width: int, dark: bool):
    browser.open(page, width, dark)
    assert browser.complaints == [] and browser.requests == []
    assert browser.run("document.documentElement.scrollWidth") <= width  # nothing sticks out of the screen
    shown = browser.run("[...document.querySelectorAll('svg')].map(x => x.getBoundingClientRect().height)")
    assert len(shown) > 10 and min(shown) > 50
    light = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (light == "rgb(21, 24, 27)") == dark


def painted(browser: Browser, kind: str) -> list[int]:
    """Pixels of each canvas that are not empty."""
    return browser.run(
        f"[...document.querySelectorAll('canvas.{kind}')].map(c => c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data.filter((x, i) => i % 4 === 3 && x > 0).length)"
    )


def state(browser: Browser) -> tuple[int, list[str]]:
    step, now = browser.run(
        "[Number(document.querySelector('.player').dataset.step), "
        "[...document.querySelectorAll('.now')].map(x => x.textContent)]"
    )
    return step, now


def wait_for(browser: Browser, reached: Callable[[int], bool]) -> bool:
    """Whether the player comes to such a step; a busy machine takes its time."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if reached(state(browser)[0]):
            return True
        browser.run("new Promise(done => setTimeout(done, 5))")
    return False


def test_the_player_steps_scrubs_and_plays(browser: Browser, page: Path, asynchronous: Trace, layered: Trace):
    browser.open(page)
    steps = [trace.forward_steps[:, 1] for trace in (layered, asynchronous)]
    longest = max(int(x.sum()) for x in steps)
    step, now = state(browser)
    assert step == 0 and len(now) == 2 and all(x.startswith("time step 0, forward step 0") for x in now)
    assert min(*painted(browser, "mesh"), *painted(browser, "time")) > 100
    for _ in range(3):
        browser.run("document.querySelector('.on').click()")
    assert state(browser)[0] == 3
    browser.run("document.querySelector('.back').click()")
    assert state(browser)[0] == 2
    browser.run(
        f"(s => {{ s.value = {longest}; s.dispatchEvent(new Event('input')) }})(document.querySelector('.scrub'))"
    )
    step, now = state(browser)
    totals = [int((trace.spikes.sample == 1).sum()) for trace in (layered, asynchronous)]
    assert step == longest
    assert now == [f"done after {x.sum()} forward steps, {n} spikes" for x, n in zip(steps, totals)]
    browser.run("document.querySelector('.speed').value = '30'; document.querySelector('.play').click()")
    assert wait_for(browser, lambda step: 0 < step < longest), "it goes from step to step"
    assert wait_for(browser, lambda step: step == longest)
    assert state(browser)[0] == longest and browser.run("document.querySelector('.play').textContent") == "Play"
    assert browser.complaints == [] and browser.requests == []


def test_at_every_step_the_player_says_what_the_trace_says(browser: Browser, page: Path, asynchronous: Trace):
    browser.open(page)
    steps, s = asynchronous.forward_steps[:, 1], asynchronous.spikes
    mine = s.sample == 1
    fired, total = list(zip(s.t[mine].tolist(), s.k[mine].tolist())), 0
    rounds = [(t, k) for t, n in enumerate(steps.tolist()) for k in range(n)]
    for g, (t, k) in enumerate(rounds):
        n = fired.count((t, k))
        total += n
        said = state(browser)[1][1]
        assert (
            said.startswith(f"time step {t}, forward step {k} of {steps[t]}: {n} fire, ")
            and f"; {total} spikes" in said
        )
        browser.run("document.querySelector('.on').click()")
        assert state(browser)[0] == g + 1


def test_names_are_text_there_too(browser: Browser, page: Path):
    browser.open(page)
    names = browser.run("[...document.querySelectorAll('.stage .name')].map(x => x.textContent)")
    assert "a<b>.npz (E2)" in names and browser.run("document.querySelectorAll('b').length") == 0


def test_a_script_that_slips_in_does_not_run(browser: Browser, page: Path):
    page.write_text(page.read_text().replace("<h1>", "<script>window.ran = 1</script><h1>"))
    browser.open(page)
    assert browser.run("window.ran === undefined") and any("Security Policy" in x for x in browser.complaints)


def test_ten_thousand_neurons_and_a_million_spikes_fit_ten_megabytes(browser: Browser, tmp_path: Path):
    mapped, trace = large()
    assert trace.n_neurons == 10_000 and len(trace.spikes) == 1_000_000
    runs = (("a.npz", trace), ("b.npz", trace))
    text, _ = run_page("t", Material((), (("m", mapped),), runs, (), (), ()), None, None, "unlayered report")
    assert len(text.encode()) <= MOST_BYTES
    path = tmp_path / "large.html"
    path.write_text(text)
    browser.open(path)
    assert "1,000,000 spikes; 100,000 of them" in browser.run("document.querySelector('.sampled').textContent")
    browser.run("document.querySelector('.on').click()")
    assert state(browser)[0] == 1 and browser.complaints == [] and browser.requests == []
    browser.open(path, 400)
    assert browser.run("document.documentElement.scrollWidth") <= 400
