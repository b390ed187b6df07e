"""The pages and the code say the same: examples in docstrings run, references lead somewhere, tables hold."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

from ir.schedule import key

ROOT = Path(__file__).parent.parent
ROOMS = ("ir", "exchange", "stimuli", "trainer", "mapper", "sim_reference", "targets", "unlayered")
CODE = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
WITH_EXAMPLES = [path for path in CODE if re.search(r"^\s*>>> ", path.read_text(), re.M)]
REFERENCE = re.compile(r'(docs/\w+\.md), "([^"]+)"')


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_examples_of_docstrings_run(path: Path):
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found = doctest.testmod(module)
    assert found.attempted > 0 and found.failed == 0


def test_what_the_code_cites_of_a_page_is_a_heading_there():
    cited = [(path, *match) for path in CODE for match in REFERENCE.findall(path.read_text())]
    assert len(cited) >= 3
    for path, page, heading in cited:
        assert re.search(rf"^#+ {re.escape(heading)}$", (ROOT / page).read_text(), re.M), f"{path} cites {heading!r}"


@pytest.mark.parametrize("path", [*CODE, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_page_has_numbered_sections_to_refer_to(path: Path):
    assert not re.search(r"\bsection \d", path.read_text())


def test_the_contracts_table_of_keys_is_what_the_code_computes():
    table = re.findall(
        r"^\| (-?\d+(?:, -?\d+){4}) \| ([0-9A-F]{16}) \|$", (ROOT / "docs/semantics.md").read_text(), re.M
    )
    assert len(table) == 5
    for address, expected in table:
        assert f"{int(key(*map(int, address.split(', ')))):016X}" == expected


@pytest.mark.parametrize("name", ["configuration", "commands"])
def test_a_page_that_a_tool_writes_is_what_it_writes_now(name: str):
    """Keys of a training from the dataclasses, verbs and options from the command line."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.PAGE.read_text() == made.page(), f"write it anew: make {name}"


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
