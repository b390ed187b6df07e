"""A sentence about a TOML file says in which line the mistake stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from exchange.chip_toml import load_chip
from ir.check import FormatError
from ir.toml_lines import line_of, located
from sim_reference.recordings import read_recordings
from stimuli.own.options import options_of_folder
from trainer.config import read_toml

ROOT = Path(__file__).parents[2]

CONFIGURATIONS = {
    'data = "digits"\nepochz = 3\n': (2, "epochs"),
    "epochs = 3\n\n# learning_rate = 1\nlearning_rate = -1.0\n": (4, "positive"),
    '[schedule]\nF = 8\norder = "fifoo"\n': (3, "fifo"),
    'epochs = 3\nschedule = { order = "fifoo" }\n': (2, "fifo"),
    "[schedule]\nF = 8\n[options]\nalfa = 1.0\n": (4, "alpha"),
    "seed = 1\n[options]\nalpha = -1.0\n": (3, "alpha"),
    'data = "folder:x"\n[data_options]\nn_steps = 3\nwindw_us = 4\n': (4, "window_us"),
    'data = "folder:x"\ndata_options.n_steps = -3\n': (2, "n_steps"),
    'optimizer = "sgdd"\n': (1, "sgd"),
    'data = """\ndigits"""\nepochz = 2\n': (3, "epochs"),
    "layers = 3\n": (1, "list"),
}


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_mistake_in_a_training_names_its_line_and_what_was_meant(text: str, tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(text)
    line, near = CONFIGURATIONS[text]
    with pytest.raises(FormatError) as caught:
        read_toml(path)
    assert str(caught.value).startswith((f"{path}, line {line}: ", f"{path}, line {line} has unknown keys"))
    assert near in str(caught.value)


def test_a_mistake_in_a_folders_options_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "data.toml").write_text("window_us = 5000\nn_step = 20\n")
    with pytest.raises(FormatError, match=r"data\.toml, line 2 has unknown keys n_step \(did you mean n_steps\?\)"):
        options_of_folder(tmp_path)


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no mark", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_lines_are_counted_however_an_editor_saves_a_file(mark: str, end: str, tmp_path: Path) -> None:
    chip = (ROOT / "targets" / "chips" / "loihi2.toml").read_text()
    files: dict[str, tuple[Callable[[Path], object], str]] = {
        "my.toml": (read_toml, "epochz = 3\nseed = 1\n"),
        "data.toml": (lambda path: options_of_folder(path.parent), "n_steps = -3\nwindow_us = 5000\n"),
        "chip.toml": (load_chip, f"arithmetic = 3\n{chip.replace('arithmetic =', '# arithmetic =')}"),
        "verify.toml": (lambda path: read_recordings(path.parent), "inputt = 'a.npy'\n"),
    }
    for name, (read, text) in files.items():
        (tmp_path / name).write_bytes((mark + text.replace("\n", end)).encode("utf-8"))
        with pytest.raises(FormatError, match=rf"{name}, line 1[: ]"):
            read(tmp_path / name)


@pytest.mark.parametrize("key", ["max_neurons", "arithmetic"])
def test_a_mistake_in_a_chip_names_its_line(key: str, tmp_path: Path) -> None:
    lines = (ROOT / "targets" / "chips" / "loihi2.toml").read_text().split("\n")
    (at,) = [i for i, line in enumerate(lines) if line.split("=")[0].strip() == key]
    lines[at] = f'{key} = "seven"'
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(lines))
    with pytest.raises(FormatError, match=rf"mine\.toml, line {at + 1}: .*{key}"):
        load_chip(path)


def test_no_line_is_made_up() -> None:
    assert line_of("layers is empty; name at least the output layer", "epochs = 3") is None
    assert located("my.toml: nothing is there", "my.toml", "epochs = 3") == "my.toml: nothing is there"
    assert line_of("kind is 'epochs'", "epochs = 3") is None
