"""How a user's own data become frames: one frozen value, the keys of ``[data_options]`` and of a folder's data.toml."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from pathlib import Path
from typing import Any

from ir.arrays import set_field
from ir.check import FormatError, check_choice, check_type, real, require, whole
from ir.toml_lines import located
from ir.words import meant
from stimuli.own.cameras import CAMERAS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

IMAGES = ("", "current", "rate", "latency")
MAX_TOML_BYTES = 64 << 10
MAX_STEPS, MAX_SIDE, MAX_US = 1 << 20, 1 << 14, 1 << 53


@dataclass(frozen=True)
class DataOptions:
    """How own data become frames.

    Attributes:
        window_us: microseconds a time step; also the network's time step.
        n_steps: time steps of a sample: what comes later is left out, what ends earlier is followed by silence;
            0 = as many as the longest recording of the train part has, and as frames have (then all alike).
        begin_us: where the first time step begins, microseconds on the recording's clock.
        from_first: the clock begins at each recording's first event.
        time_unit_us: microseconds a unit of the recordings' time stamps: 1000 for milliseconds, 1e6 for seconds.
        sensor: pixels and polarities ``[W, H, P]`` of event recordings; empty = the camera's, or the smallest that
            holds the train part.
        camera: whose addresses ``.aedat`` files hold: ``dvs128``, ``davis346``, ``dvs346mini``, ``gesture`` or ``red``.
        crop: ``[left, top, width, height]`` in pixels; what lies outside is dropped.
        shrink: merge so many neighbouring pixels a side into one; a rest at the right and lower edge is dropped.
        merge_polarity: drop polarity, one channel instead of two.
        counts: count every event of a pixel in a time step; else one, however many there are.
        images: samples are single images without a time axis: ``current`` feeds them in every time step as they are,
            ``rate`` as spikes with their values (0 to 1) as probabilities, ``latency`` as one spike a pixel, the
            brighter the earlier; empty = time comes first.
        delta: frames in time: a spike where a value has changed by so much, rises in the first half of the channels,
            falls in the second (``stimuli.coding``); 0 = frames as they are.
        n_classes: number of labels; 0 = found in the train part.
        memory_mb: what frames may take of memory; more is read batch by batch (0: always).
    """

    window_us: int = 10_000
    n_steps: int = 0
    begin_us: int = 0
    from_first: bool = False
    time_unit_us: float = 1.0
    sensor: tuple[int, ...] = ()
    camera: str = ""
    crop: tuple[int, ...] = ()
    shrink: int = 1
    merge_polarity: bool = False
    counts: bool = False
    images: str = ""
    delta: float = 0.0
    n_classes: int = 0
    memory_mb: int = 1024

    def __post_init__(self) -> None:
        bounds = {"window_us": (1, MAX_US), "n_steps": (0, MAX_STEPS), "begin_us": (0, MAX_US), "shrink": (1, MAX_SIDE)}
        for name, (least, most) in {**bounds, "n_classes": (0, MAX_STEPS), "memory_mb": (0, 1 << 40)}.items():
            set_field(self, name, whole(name, getattr(self, name), least, most))
        for name in ("from_first", "merge_polarity", "counts"):
            check_type(name, getattr(self, name), bool, "true or false")
        way_out = "give microseconds a unit, more than 0 and at most 1e12"
        set_field(self, "time_unit_us", real("time_unit_us", self.time_unit_us, 0.0, 1e12, way_out))
        check_choice("images", self.images, IMAGES)
        if not isinstance(self.delta, Real) or isinstance(self.delta, bool) or self.delta != 0:
            set_field(self, "delta", real("delta", self.delta, 0.0, 1e30, "give a change above 0, or 0 for none"))
        require(not (self.images and self.delta), "delta is a code of frames in time, and images has none; choose one")
        check_choice("camera", self.camera, ("", *CAMERAS))
        self._check_pixels("sensor", 3, "[W, H, P]", (1, 1, 1))
        self._check_pixels("crop", 4, "[left, top, width, height]", (0, 0, 1, 1))
        if self.sensor:
            require(self.sensor[2] <= 2, f"sensor is {list(self.sensor)}; polarities are 1 or 2")

    def _check_pixels(self, name: str, n: int, form: str, least: tuple[int, ...]) -> None:
        value: Any = getattr(self, name)
        listed = isinstance(value, (tuple, list)) and len(value) in (0, n)
        require(listed, f"{name} is {value!r}; give {form} in pixels, or nothing")
        sides = tuple(whole(f"a number of {name}", x, low, MAX_SIDE) for x, low in zip(value, least))
        set_field(self, name, sides)

    @property
    def memory_bytes(self) -> int:
        """What frames may take of memory."""
        return self.memory_mb << 20


def options_of(values: Any, who: str, base: DataOptions | None = None) -> DataOptions:
    """Options from a table of plain values, laid over ``base``.

    Raises:
        FormatError: no table, an unknown key or an unusable value; begins with ``who``.
    """
    if not isinstance(values, Mapping):
        raise FormatError(f"{who} is {values!r}; make it a table")
    names = [f.name for f in fields(DataOptions)]
    unknown = sorted(str(key) for key in values if key not in names)
    if unknown:
        named = ", ".join(f"{key}{meant(key, names)}" for key in unknown)
        raise FormatError(f"{who} has unknown keys {named}; known are {', '.join(sorted(names))}")
    try:
        return replace(base or DataOptions(), **values)
    except ValueError as error:
        raise FormatError(f"{who}: {error}") from error


def table_of(values: Any, who: str = "data_options") -> dict[str, Any]:
    """A table as a file would hold it, from one or from options; checked.

    Raises:
        FormatError: an unknown key or an unusable value.
    """
    table = asdict(values) if isinstance(values, DataOptions) else values
    options_of(table, who)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in table.items()}


def options_of_words(words: list[str] | tuple[str, ...], who: str = "--data-option") -> dict[str, Any]:
    """A table from words such as ``n_steps=20`` and ``crop=[0,0,32,32]``.

    Raises:
        FormatError: no key and value, or not a value as TOML spells it.
    """
    table: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        key = key.strip().replace("-", "_")
        plain = bool(equals) and key.isidentifier() and "\n" not in word and len(word) < 1000
        try:
            if not plain:
                raise ValueError
            table |= tomllib.loads(f"{key} = {value}")
        except (ValueError, RecursionError) as error:
            raise FormatError(
                f"{who} is {word!r}; give KEY=VALUE, e.g. n_steps=20, crop=[0,0,32,32] or counts=true (text in quotes)"
            ) from error
    options_of(table, who)
    return table


def options_of_folder(path: Path) -> DataOptions:
    """What a folder's own ``data.toml`` says; without one, the defaults.

    Raises:
        FormatError: it is no TOML, or not of these keys.
    """
    file = path / "data.toml"
    if not file.exists():
        return DataOptions()
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_TOML_BYTES + 1)
        if len(content) > MAX_TOML_BYTES:
            raise FormatError(f"{file} is longer than {MAX_TOML_BYTES} bytes; no file of this kind needs to be")
        table = tomllib.loads(content.decode("utf-8-sig"))
    except FormatError:
        raise
    except OSError as error:
        raise FormatError(f"{file} cannot be read: {error.strerror or error}") from error
    except (RecursionError, MemoryError) as error:
        raise FormatError(f"{file} is nested too deeply; write it flat") from error
    except ValueError as error:
        raise FormatError(f"{file} cannot be read as TOML: {error}") from error
    try:
        return options_of(table, str(file))
    except FormatError as error:
        raise FormatError(located(str(error), str(file), content.decode("utf-8-sig"))) from error
