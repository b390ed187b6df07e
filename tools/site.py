"""What mkdocs needs to know of our pages: the Markdown of code hosts is a little more generous than Python-Markdown's.

Pages link to programs outside ``docs/``; the site gets a page for each of those. On code hosts lists need no empty line
before them, and three blanks put a list into another.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PROGRAM = re.compile(r"\]\(\.\./([\w/]+\.py)\)")
ITEM = re.compile(r" *([-*]|\d+\.) ")
FENCE = re.compile(r" *```")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each program that a page links to."""
    pages = [file for file in files if file.src_uri.endswith(".md")]
    for name in sorted({name for page in pages for name in PROGRAM.findall(page.content_string)}):
        if (ROOT / name).is_file():
            text = f"# {name}\n\n```python\n{(ROOT / name).read_text()}```\n"
            files.append(File.generated(config, f"{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page as Python-Markdown reads it."""
    return spaced(PROGRAM.sub(r"](\1.md)", markdown))


def spaced(markdown: str) -> str:
    """An empty line before each list, and four blanks where a list lies in another."""
    lines: list[str] = []
    code, listed = False, False
    for line in markdown.split("\n"):
        if FENCE.match(line):
            code, listed = not code, False
        elif not code:
            item = bool(ITEM.match(line))
            if item and not listed and lines and lines[-1].strip():
                lines.append("")
            listed = item or (listed and line.strip() != "" and not line.startswith("#"))
            line = re.sub(r"^ {3}(?=\S)", "    ", line) if listed else line
        lines.append(line)
    return "\n".join(lines)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Roles of reStructuredText in docstrings, ``:class:`Network```, as plain names."""
    return re.sub(r":(?:func|class|attr|meth|mod):(?=<code>)", "", html)
