"""The documentation builds as a site without a warning: links and headings lead somewhere, every page has its place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import unlayered as ul

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs is absent: pip install -e '.[docs]'")


def built(config: Path, out: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(config), "--site-dir", str(out)]
    return subprocess.run(words, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = built(ROOT / "mkdocs.yml", out)
    assert done.returncode == 0, done.stderr
    return out


def test_the_site_builds_without_a_warning(site: Path):
    assert (site / "index.html").exists() and len(list(site.glob("*.html"))) > 15


def test_a_program_that_a_page_links_to_is_a_page(site: Path):
    assert "folder:" in (site / "examples" / "own_folder.py.html").read_text()


def test_lists_are_lists_as_on_a_code_host(site: Path):
    text = re.sub(r"<code>.*?</code>|<pre.*?</pre>", "", (site / "semantics.html").read_text(), flags=re.S)
    assert re.search(r"<ol>.*<ul>\s*<li>", text, re.S) and not re.search(r"<p>[^<]*\n- ", text)


def test_the_site_loads_nothing_from_elsewhere(site: Path):
    for page in site.rglob("*.html"):
        assert not re.findall(r'(?:src|<link[^>]*href)="https?://[^"]*', page.read_text()), page


def test_every_public_name_is_told_from_its_docstring(site: Path):
    text = (site / "api.html").read_text()
    for name in ul.__all__:
        assert re.search(rf'<h3 id="[\w.]+\.{name}"', text), f"docs/api.md does not tell of {name}"
    assert ":class:" not in text
