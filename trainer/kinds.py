"""Settings have the type they are declared with: what a text file says is looked at before anything runs."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from numbers import Integral, Real
from typing import Any

from ir.arrays import set_field
from ir.check import FormatError, check_choice, check_type, require
from ir.schedule import ORDERS, group_of
from ir.words import meant

WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text in quotes"}
TYPES: dict[str, type] = {"int": Integral, "float": Real, "bool": bool, "str": str}

AT_LEAST = {
    "encoder": 0,
    **dict.fromkeys(("epochs", "batch_size"), 1),
    "tau_mem_s": 0,
    "tau_syn_s": 0,
    "v_threshold": 0,
    "weight_decay": 0,
    "gradient_norm": 0,
    "spike_penalty": 0,
    "spike_penalty_after": 0,
    "order_free_epochs": 0,
    "loss_steps": 0,
    "patience": 0,
    "shift_px": 0,
    "limit": 0,
    "truncate": 0,
    "optimizer_momentum": 0,
    "rate_factor": 0,
    "rate_every": 1,
    "warmup_epochs": 0,
    "momentum_noise_decay": 0,
    "refractory_dropout_decay": 0,
}
"""The least values of a training's numbers."""


def fits(value: object, kind: str) -> bool:
    """Whether ``value`` is of a ``kind`` (true is no number, and NaN is none either)."""
    return isinstance(value, TYPES[kind]) and (kind == "bool") == isinstance(value, bool) and value == value


def check_kinds(settings: Any) -> None:
    """Raise unless every plain field of a dataclass, and every one that is a dataclass itself, has its declared type.

    numpy's numbers become Python's, whole numbers beyond int64 floats where those are declared.
    """
    for f in fields(settings):
        value = getattr(settings, f.name)
        if isinstance(f.default_factory, type) and is_dataclass(f.default_factory):
            check_type(f.name, value, f.default_factory, f"a {f.default_factory.__name__}")
        if f.type not in WORDS:
            continue
        require(fits(value, str(f.type)), f"{f.name} is {value!r}; give {WORDS[str(f.type)]}")
        if f.type == "int":
            set_field(settings, f.name, int(value))
        if f.type == "float" and not (isinstance(value, float) or (isinstance(value, int) and abs(value) < 1 << 63)):
            require(abs(value) < 1 << 1023, f"{f.name} is above 2^1023; give a smaller number")
            set_field(settings, f.name, float(value))


def known(values: Any, settings: Any, who: str) -> dict[str, Any]:
    """A table's values, all of them fields of the dataclass ``settings``.

    Raises:
        FormatError: no table, or an unknown key.
    """
    if not isinstance(values, dict):
        raise FormatError(f"{who} is {values!r}; make it a table")
    names = [f.name for f in fields(settings)]
    unknown = sorted(set(values) - set(names))
    if unknown:
        named = ", ".join(f"{key}{meant(key, names)}" for key in unknown)
        raise FormatError(f"{who} has unknown keys {named}; known are {', '.join(sorted(names))}")
    return dict(values)


def check_together(config: Any) -> None:
    """Raise where keys of a configuration contradict each other."""
    _check_start(config)
    _check_order_free(config)
    _check_parts_of_samples(config)


def _check_start(config: Any) -> None:
    """Raise where a key asks for what the network that training goes on from has already."""
    if config.start:
        for name in ("layers", "tau_mem_s", "v_threshold", "reset", "initial_density", "train_tau", "tau_syn_s"):
            require(
                getattr(config, name) == type(config).__dataclass_fields__[name].default,
                f"start names a network, which brings its own {name}; leave one of the two out",
            )


def _check_parts_of_samples(config: Any) -> None:
    """Raise where a loss would be of other time steps than a configuration says."""
    require(
        not (config.truncate or config.loss_steps) or config.loss not in ("first_spike", "early"),
        f"loss {config.loss!r} looks at whole samples; leave truncate and loss_steps out, or use 'rate', 'count' or "
        "'membrane'",
    )
    require(
        not (config.truncate and config.loss_steps),
        "truncate learns from every piece of a sample, loss_steps only from its end; leave one of the two out",
    )


def _check_order_free(config: Any) -> None:
    """Raise where a network that no order changes would be trained under a schedule that changes it all the same."""
    at = config.schedule
    whole = at.kind == "layered" or (at.input == "first" and at.stop_after is None and at.stop_after_output is None)
    require(
        whole or not config.order_free,
        "order_free holds for whole frames without a forced stop: leave input, stop_after and stop_after_output out of "
        "the schedule, or order_free",
    )
    require(
        config.order_free or not config.order_free_epochs,
        "order_free_epochs says how long order_free holds; set order_free, or leave it out",
    )


def is_group(f: object) -> bool:
    """Whether ``f`` is a group size."""
    return f is None or (isinstance(f, Integral) and fits(f, "int") and int(f) >= 1)


def check_groups(config: Any) -> None:
    """Raise unless a configuration draws group sizes, and changes them by epoch, in the way that it can."""
    for name in ("f_drawn", "order_drawn", "f_curriculum"):
        check_type(name, getattr(config, name), (tuple, list), "a list")
    drawn = all(is_group(f) for f in config.f_drawn)
    require(drawn, f"f_drawn is {list(config.f_drawn)}; give whole numbers from 1, None ('all' in a file) for all")
    for order in config.order_drawn:
        check_choice("order_drawn", order, ORDERS)
    pairs = all(
        isinstance(x, (tuple, list)) and len(x) == 2 and fits(x[0], "int") and x[0] >= 0 and is_group(x[1])
        for x in config.f_curriculum
    )
    require(
        pairs,
        f"f_curriculum is {list(config.f_curriculum)}; give pairs [first epoch, F], F from 1 or None "
        "('all' in a file) for all",
    )
    set_field(config, "f_drawn", tuple(map(_plain, config.f_drawn)))
    set_field(config, "f_curriculum", tuple((int(epoch), _plain(f)) for epoch, f in config.f_curriculum))


def _plain(f: Any) -> int | None:
    """A group size as Python's int, whoever's it was."""
    return None if f is None else int(f)


def group_in_file(word: Any) -> Any:
    """A group size as a file spells it: a number, ``all``, or 0, which older files say for all."""
    return None if type(word) is int and word == 0 else group_of(word)


def groups_from(least: int | None, groups: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """The group sizes that are not below ``least``, None the largest; itself where there is none.

    >>> groups_from(8, (1, 8, 64, None)), groups_from(None, (1, 8))
    ((8, 64, None), (None,))
    """
    return tuple(f for f in groups if f is None or (least is not None and f >= least)) or (least,)
