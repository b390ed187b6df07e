"""In which line of a TOML file the key stands that a sentence complains of."""

from __future__ import annotations

import re

HEADER = re.compile(r"\s*\[{1,2}\s*([\w.\s\"'-]+?)\s*\]{1,2}\s*(?:#.*)?$")
KEY = re.compile(r"\s*([\w.\"'-]+)\s*=")
WORD = re.compile(r"[\w-]+")
TEXT = re.compile(r"'[^']*'|\"[^\"]*\"")
FENCES = ('"""', "'''")


def located(sentence: str, who: str, text: str, table: str = "", nth: int = 0) -> str:
    """The sentence with the line of the key that it names first, behind ``who``; as it is where it begins otherwise.

    Args:
        table, nth: look only into the nth, from 0, of the tables ``[[table]]``; its header's line stands in for a key
            that is not there.

    >>> located("my.toml: schedule order is 'fifoo'", "my.toml", "epochs = 3\\n[schedule]\\norder = 'fifoo'")
    "my.toml, line 3: schedule order is 'fifoo'"
    """
    said = sentence.removeprefix(who)
    if said == sentence or said.startswith(", line "):
        return sentence
    header, part = _nth_table(text, table, nth)
    line = header + (line_of(said, part) or 0) if header else line_of(said, text)
    return sentence if line is None else f"{who}, line {line}{said}"


def line_of(sentence: str, text: str) -> int | None:
    """The line of the key that the sentence names first, counted from 1; None where it names none of the file's.

    A sentence may name a table before its key (``schedule order``, ``limits.max_neurons``); the table's own line stands
    in where the key is not there. Values between quotation marks are no names.
    """
    lines = _lines(text)
    words = WORD.findall(TEXT.sub(" ", sentence))
    table: tuple[str, ...] = ()
    for word in words:
        name = (*table, word)
        if name in lines and not any(len(key) > len(name) and key[: len(name)] == name for key in lines):
            return lines[name]
        table = name if name in lines else table
    if not table:
        inner = {key[-1]: line for key, line in reversed(lines.items())}
        return next((inner[word] for word in words if word in inner), None)
    return lines[table]


def _nth_table(text: str, table: str, nth: int) -> tuple[int, str]:
    """The line of the nth header ``[[table]]`` and the text between it and the next header; 0 where it is not there."""
    lines = text.split("\n")
    headers = [(i, HEADER.match(line)) for i, line in enumerate(lines)]
    starts = [i for i, header in headers if header and _name(header[1]) == (table,)]
    if nth >= len(starts):
        return 0, ""
    ends = [i for i, header in headers if header and i > starts[nth]]
    return starts[nth] + 1, "\n".join(lines[starts[nth] + 1 : ends[0] if ends else None])


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """The first line of every key and table, by its full name."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    fence = ""
    for number, line in enumerate(text.split("\n"), 1):
        opened = [mark for mark in FENCES if line.count(mark) % 2]
        if fence or not line.strip() or line.lstrip().startswith("#"):
            fence = "" if fence in opened else fence
            continue
        fence = opened[0] if opened else ""
        header, key = HEADER.match(line), KEY.match(line)
        if header:
            table = _name(header[1])
            found.setdefault(table, number)
        elif key:
            found.setdefault((*table, *_name(key[1])), number)
    return found


def _name(words: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in words.split("."))
