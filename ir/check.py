"""The errors every stage raises, and the small checks their constructors share."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ir.words import meant

MAX_WORD, MAX_SENTENCE = 300, 1000
"""Characters of a word and of a sentence that are shown; names come from strangers' files and may be longer."""

MAX_NEURONS = 1 << 24
"""Of a network; as many inputs, and as many places of a padded image: a hundred chips, and far more than runs here."""

MAX_SIDES = 32
"""numpy's arrays have no more."""

INT32 = (-(1 << 31), (1 << 31) - 1)
"""The least and the most of 32 bits."""


def sentence(text: object) -> str:
    """One line that a terminal can show: control characters as escapes, what is too long cut in the middle.

    >>> sentence("a name with \\x1b[31m colour")
    'a name with \\\\x1b[31m colour'
    """
    line = _cut(str(text), 4 * MAX_SENTENCE)
    words = re.split(r"[ \t\r\n\f\v]+", line.strip())
    return _cut(" ".join(_cut(visible(word), MAX_WORD) for word in words), MAX_SENTENCE)


def word(text: object, most: int = MAX_SENTENCE) -> str:
    """A name or value as it prints: control characters as escapes, what is too long cut in the middle."""
    return _cut(visible(_cut(str(text), 4 * most)), most)


def visible(text: str) -> str:
    """The text with an escape for every character that does not print: controls, directions, halves of pairs."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _cut(text: str, most: int) -> str:
    head = most * 2 // 3
    return text if len(text) <= most else f"{text[:head]}...{text[len(text) - (most - head - 3) :]}"


class FormatError(ValueError):
    """A file or value that is not what it claims to be."""

    def __str__(self) -> str:
        return sentence(super().__str__())


class CapacityError(ValueError):
    """Something that does not fit the chip: which, have, need, the smallest change that fits."""

    def __str__(self) -> str:
        return sentence(super().__str__())


class TargetError(RuntimeError):
    """A target (Lava) is absent, failed or ran out of time; the command line exits with 3."""


class DeadlockError(RuntimeError):
    """An outcome of a timed run: nothing can move any more; the command line exits with 1."""


class SlowerWarning(UserWarning):
    """Something runs slower than it could, with the same result; the sentence says why."""


class GradientWarning(UserWarning):
    """A step of a training had no finite gradient and changed nothing; said once a training."""


def require(condition: bool, message: str) -> None:
    """Raise ``ValueError(message)`` unless ``condition`` holds."""
    if not condition:
        raise ValueError(sentence(message))


def check_choice(who: str, value: object, allowed: Iterable[object]) -> None:
    """Raise unless ``value`` is one of ``allowed``, and of its type."""
    allowed = tuple(allowed)
    if not any(type(value) is type(choice) and value == choice for choice in allowed):
        said = f"{who} is {value!r}{meant(value, allowed)}; use one of {', '.join(map(repr, allowed))}"
        raise ValueError(sentence(said))


def check_type(who: str, value: Any, kind: type | tuple[type, ...], what: str) -> None:
    """Raise unless ``value`` is of a type; ``what`` says in words what is needed."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(sentence(f"{who} is {_brief(value)}; give {what}"))


def check_words(who: str, value: Any) -> None:
    """Raise unless ``value`` maps words to words."""
    check_type(who, value, dict, "words by name")
    for name, word in value.items():
        check_type(f"a name of {who}", name, str, "a word")
        check_type(f"{who} {name!r}", word, str, "a word")


def whole(who: str, value: Any, least: int, most: int) -> int:
    """``value`` as an int; raise unless it is a whole number in ``least..most``."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, (bool, np.bool_)):
        raise ValueError(sentence(f"{who} is {_brief(value)}; give a whole number in {least}..{most}"))
    if not least <= number <= most:
        raise ValueError(sentence(f"{who} is {_brief(value)}; it must lie in {least}..{most}"))
    return number


def real(who: str, value: Any, least: float, most: float, way_out: str) -> float:
    """``value`` as a float; raise unless it is a finite number, more than ``least`` and at most ``most``."""
    plain = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    try:
        number = float(value) if plain else np.nan
    except OverflowError:
        number = np.nan
    if not (np.isfinite(number) and least < number <= most):
        raise ValueError(sentence(f"{who} is {_brief(value)}; {way_out}"))
    return number


def block_shape(who: str, shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of ints; raise unless it is one, with at most ``MAX_NEURONS`` places."""
    check_type(f"the shape of {who}", shape, (tuple, list), "a tuple of whole numbers")
    require(len(shape) <= MAX_SIDES, f"{who} has {len(shape)} sides, at most {MAX_SIDES}; flatten it")
    sides = tuple(whole(f"a side of {who}", x, *INT32) for x in shape)
    n = math.prod(sides)
    require(n <= MAX_NEURONS, f"{who} has {n} neurons (shape {sides}), at most {MAX_NEURONS}; split it")
    return sides


@contextmanager
def within(who: str) -> Generator[None, None, None]:
    """Let what is wrong inside the block begin with whom it belongs to."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{who}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{who}: {error}") from error


def check_finite(who: str, array: NDArray[Any]) -> None:
    """Raise with the first address of a NaN or an infinity in ``array``."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        address = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(sentence(f"{who} holds {array[address]} at {address}; every value must be finite"))


def check_range(who: str, array: NDArray[Any], least: int, most: int) -> None:
    """Raise unless every number of ``array`` lies in ``least..most``."""
    if array.size and not (array.min() >= least and (_holds(array, most) or array.max() <= most)):
        raise ValueError(sentence(f"{who} must lie in {least}..{most}, it reaches {array.min()}..{array.max()}"))


def _holds(array: NDArray[Any], most: int) -> bool:
    """Whether no number of the array's type is more than ``most``."""
    return array.dtype.kind == "i" and most + 1 >= 1 << (8 * array.dtype.itemsize - 1)


def check_per_neuron(who: str, array: NDArray[Any], n: int) -> None:
    """Raise unless ``array`` is one number or one number a neuron."""
    if array.shape not in ((), (n,)):
        raise ValueError(sentence(f"{who} has shape {array.shape}; give one number or {n}, one a neuron"))


def _brief(value: Any) -> str:
    """A value as a sentence shows it, without writing out what is large."""
    small = (
        value is None or isinstance(value, (bool, float, np.number)) or (isinstance(value, str) and len(value) < 200)
    )
    if small or (isinstance(value, int) and abs(value) < 1 << 200):
        return repr(value)
    return f"a {type(value).__name__}"
