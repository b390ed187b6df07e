"""The commands and blocks of README, pages and help, as they are printed."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlayered.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES.remove(ROOT / "docs" / "commands.md")  # written from the help, whose examples are run
COMMAND = re.compile(
    r"(UNLAYERED_\w+=\S+ )?((unlayered|python|make|uv|source|torchrun|pytest|pip|pipx|eval|git|cd|mkdir|curl|wget"
    r"|docker|conda|bash|sh) |\.venv/\S+ |tools/\S+\.sh\b|tests/\S+\.sh\b)"
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)


@dataclass(frozen=True)
class Command:
    """A line that can be copied.

    Attributes:
        where: the page or verb that prints it.
        text: without its comment.
        code: the exit code that its comment tells; 0 where it tells none.
    """

    where: str
    text: str
    code: int

    @property
    def words(self) -> list[str]:
        """Without the variables that stand before it."""
        words = shlex.split(self.text)
        return words[1:] if re.match(r"UNLAYERED_\w+=", words[0]) else words


@dataclass(frozen=True)
class Block:
    """Lines that stand apart.

    Attributes:
        kind: the language behind the fence; empty without one, and for an indented block.
        before: the text of the page in front of it.
    """

    where: str
    kind: str
    text: str
    before: str = ""

    @property
    def first(self) -> str:
        """The first line, by which it is known."""
        return self.text.strip().splitlines()[0].strip()


def command(where: str, line: str) -> Command | None:
    """The command of a line, if it holds one."""
    text, _, comment = line.strip().partition(" #")
    if not COMMAND.match(text):
        return None
    told = re.search(r"\bexit (\d):", comment)
    return Command(where, text.strip(), int(told[1]) if told else 0)


def blocks(path: Path) -> list[Block]:
    """Fenced blocks, and indented ones: lines behind four blanks, an empty line before them."""
    text = path.read_text()
    found = [Block(path.name, m[1], m[2], text[: m.start()]) for m in FENCED.finditer(text)]
    paragraphs = re.split(r"\n\s*\n", FENCED.sub("", text))
    return found + [Block(path.name, "", x) for x in paragraphs if x.strip("\n").startswith("    ")]


def of_page(path: Path) -> list[Command]:
    """The lines of its blocks, and what stands between backticks."""
    lines = [line for block in blocks(path) if not block.kind for line in block.text.splitlines()]
    text = FENCED.sub("", path.read_text())
    found = [command(path.name, line) for line in lines]
    found += [command(path.name, " ".join(x.split())) for x in re.findall(r"`([^`]+)`", text)]
    return [x for x in found if x is not None]


def of_help() -> list[Command]:
    """The examples of the front page and of every verb."""
    docs: dict[str, Any] = {"--help": app.registered_callback.callback.__doc__}  # pyright: ignore
    docs |= {f"{c.name} --help": c.callback.__doc__ for c in app.registered_commands if c.callback is not None}
    found = [command(name, line.strip().split("   ")[0] if name == "--help" else line)
             for name, text in docs.items() for line in str(text).splitlines()]  # fmt: skip
    return [x for x in found if x is not None]


COMMANDS = [*(x for page in PAGES for x in of_page(page)), *of_help()]
BLOCKS = [block for page in PAGES for block in blocks(page)]
