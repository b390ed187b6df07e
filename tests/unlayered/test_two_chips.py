"""The two kinds of chip side by side, as a terminal of 80 columns shows them."""

from __future__ import annotations

from unlayered.console import table
from unlayered.two_chips import COLUMNS, IN_A_TERMINAL, in_a_terminal

ROW = {
    "trained": "asynchronous",
    "chip": "Intel Loihi 2",
    "next_frame": "at the barrier",
    "accuracy": 0.9156,
    "spikes_per_sample": 344.1,
    "energy": "1.88 uJ (1.25 to 3.14)",
    "time": "19.15 us (12.99 to 31.46)",
    "first_output": None,
}


def test_a_terminal_shows_no_word_in_pieces(capsys) -> None:
    from rich.console import Console

    assert set(IN_A_TERMINAL) < set(COLUMNS)
    rows = [in_a_terminal(ROW), in_a_terminal({**ROW, "next_frame": "200 ns after quiescence"})]
    Console(width=80).print(table("Two kinds of chip", IN_A_TERMINAL, rows))
    shown = capsys.readouterr().out
    for words in ("asynchronous", "Intel Loihi 2", "at the barrier", "quiescence", "0.9156", "1.88 uJ", "19.15 us"):
        assert words in shown
    assert "1.25" not in shown


def test_what_is_not_known_stays_so() -> None:
    assert in_a_terminal({**ROW, "energy": None})[IN_A_TERMINAL.index("energy")] is None
