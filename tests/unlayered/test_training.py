"""What is seen of a training run: a bar whose title is the user's own words."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from trainer.fit import Metrics
from unlayered import training

METRICS = Metrics(epoch=0, loss=1.5, accuracy=0.25, density=0.1, latency=3.0, samples_per_s=9.0)


@pytest.mark.parametrize("name", ["folder:a[/red]", "folder:[bold]b", "folder:\x1b[31mc"])
def test_a_folders_name_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    seen = io.StringIO()
    monkeypatch.setattr(
        training, "stderr", lambda: Console(file=seen, force_terminal=True, width=200, color_system=None)
    )
    with training.TrainingBar(f"training on {name}", 2, quiet=False) as bar:
        bar.report(METRICS, 1, 4)
        bar.bar.refresh()
    assert f"training on {name}".replace("\x1b", "\\x1b") in seen.getvalue()
