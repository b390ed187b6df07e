"""What is written keeps links and rights; what is no plain file is neither read nor replaced."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exchange import npz, plain
from exchange.npy import load_npy
from exchange.toml import read_toml
from ir.check import FormatError


@contextmanager
def umask(bits: int) -> Generator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize(("bits", "rights"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0o027, 0o640)], ids=oct)
def test_a_new_file_has_the_rights_that_the_umask_leaves(tmp_path: Path, bits: int, rights: int):
    with umask(bits):
        plain.write_atomically(tmp_path / "a", b"content")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == rights


def test_a_link_keeps_leading_where_it_leads(tmp_path: Path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to(Path("there") / "a")
    (tmp_path / "second").symlink_to("link")
    plain.write_atomically(tmp_path / "second", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "second").is_symlink()
    assert (tmp_path / "there" / "a").read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "link", "second", "there"]


def test_a_link_to_what_is_not_there_yet_makes_it(tmp_path: Path):
    (tmp_path / "link").symlink_to("a")
    plain.write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "a").read_bytes() == b"new"


def loops(folder: Path) -> dict[str, Path]:
    """Names that lead to themselves."""
    (folder / "self").symlink_to("self")
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")
    return {name: folder / name for name in ("self", "one")}


@pytest.mark.parametrize("name", ["self", "one"])
def test_a_link_to_itself_is_a_sentence(tmp_path: Path, name: str):
    path = loops(tmp_path)[name]
    with pytest.raises(FormatError, match="a link that leads to itself; choose another name"):
        plain.write_atomically(path, b"new")
    with pytest.raises(FormatError, match="does not exist; check the path"):
        npz.load(path)
    with pytest.raises(FormatError, match="cannot write"):
        plain.write_atomically(path / "inside", b"new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "self", "two"]


def test_a_link_into_nowhere_is_a_sentence(tmp_path: Path):
    (tmp_path / "link").symlink_to(Path("gone") / "a")
    with pytest.raises(FormatError, match=r"cannot write .*No such file or directory"):
        plain.write_atomically(tmp_path / "link", b"new")
    with pytest.raises(FormatError, match="a link to gone/a"):
        npz.load(tmp_path / "link")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for read in (npz.load, read_toml, lambda path: load_npy(path, 100)):
        with pytest.raises(FormatError, match="is no plain file"):
            read(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["x" * 240, "é" * 120], ids=["letters", "two bytes each"])
def test_a_long_name_is_written(tmp_path: Path, name: str):
    plain.write_atomically(tmp_path / name, b"content")
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"], ids=["too long", "NUL"])
def test_a_name_that_no_file_has_is_a_sentence(tmp_path: Path, name: str):
    for act in (npz.load, read_toml, lambda path: plain.write_atomically(path, b"")):
        with pytest.raises(ValueError) as caught:
            act(tmp_path / name)
        assert str(caught.value).isprintable()


DEEP = {
    "lists": "a = " + "[" * 90_000 + "]" * 90_000,
    "tables": "a = " + "{a = " * 9_000 + "1" + "}" * 9_000,
    "dots": ".".join("a" * 9_000) + " = 1",
    "a few lists": "a = " + "[" * 20 + "]" * 20,
    "a few dots": ".".join("a" * 20) + " = 1",
    "quoted dots": ".".join(['"a"'] * 9_000) + " = 1",
    "spaced dots": " . ".join("a" * 9_000) + " = 1",
    "a header of dots": "[" + ".".join("a" * 9_000) + "]",
    "many digits": "a = " + "1" * 9_000,
    "long": "# " + "x" * 300_000,
    "no text": "\udcff",
    "torn": "a = [",
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_toml_that_no_one_writes_is_one_sentence(tmp_path: Path, text: str):
    path = tmp_path / "a.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(FormatError) as caught:
        read_toml(path, "chip file ")
    assert str(caught.value).startswith(f"chip file {path} ") and len(str(caught.value)) < 1100


def test_toml_as_people_write_it_is_read(tmp_path: Path):
    (tmp_path / "a.toml").write_text('[a.b]\nc = [1, [2, { d = 3.5 }]]\ne = "Davies et al. 2018, p. 3. www.a.b.c"\n')
    assert read_toml(tmp_path / "a.toml") == {
        "a": {"b": {"c": [1, [2, {"d": 3.5}]], "e": "Davies et al. 2018, p. 3. www.a.b.c"}}
    }


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no mark", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_toml_as_editors_save_it_is_read(tmp_path: Path, mark: str, end: str):
    text = mark + end.join(['name = "a"', "[b]", 'c = """one', 'two"""', ""])
    (tmp_path / "a.toml").write_bytes(text.encode("utf-8"))
    assert read_toml(tmp_path / "a.toml") == {"name": "a", "b": {"c": "one\ntwo"}}
