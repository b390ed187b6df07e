"""A folder of recordings: ``PATH/train`` and ``PATH/test``, one subfolder a class, or a CSV of labels."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ir.check import FormatError
from ir.words import counted, meant
from stimuli.own.files import READERS, Raw, read_file, unknown_ending

PARTS = ("train", "test")
FOLDER = "folder:"
LABELS = "labels.csv"
MAX_CSV_BYTES = 64 << 20
MAX_CLASSES = 1 << 20

Labelled = list[tuple[Path, str]]
"""Files and their labels as the folder spells them."""


@dataclass(frozen=True, eq=False)
class Folder:
    """One part of a folder as a source of samples.

    Attributes:
        files, labels: of each sample.
        classes: names by label; empty where labels are the numbers of a CSV.
        camera: see ``DataOptions``.
    """

    name: str
    part: str
    files: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    n_classes: int | None
    camera: str = ""
    sensor: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    def said(self, i: int) -> str:
        """The file of a sample."""
        return str(self.files[i])

    def read(self, i: int) -> tuple[Raw, int]:
        """A sample and its label."""
        return read_file(self.files[i], self.camera), self.labels[i]

    @cached_property
    def identity(self) -> list[str]:
        """What tells this part from another, and from itself before a file was changed."""
        stats = [path.stat() for path in self.files]
        rows = zip(self.files, self.labels, stats)
        return [f"{path.resolve()}:{label}:{at.st_size}:{at.st_mtime_ns}" for path, label, at in rows]


def is_folder(data: str) -> bool:
    """Whether a word of ``data`` names a folder of one's own."""
    return data.startswith(FOLDER)


def folder_of(data: str, root: Path | None = None) -> Path:
    """The folder that ``folder:PATH`` names, below ``root`` where it is not absolute.

    Raises:
        FormatError: no path, or no folder there.
    """
    text = data.removeprefix(FOLDER)
    path = (root or Path()) / text
    if not text or "\0" in text:
        raise FormatError(f"data is {data!r}; give folder:PATH")
    if not path.is_dir():
        what = "is no folder" if path.exists() else "does not exist"
        raise FormatError(f"{path} {what}; give the folder that holds train and test")
    return path


def open_folder(path: Path, part: str, camera: str = "") -> Folder:
    """The files of one part and their labels; the classes are those of the train part.

    Samples come class by class in turn, so that the first few are of all classes; those of a CSV in its order.

    Raises:
        FormatError: a part is missing, a class is empty, a file is unknown or has no label.
    """
    try:
        train = _labelled(path, "train")
        asked = train if part == "train" else _labelled(path, part)
        numbers = _numbers(train, asked)
    except OSError as error:
        raise FormatError(f"{error.filename or path} cannot be read: {error.strerror or error}") from error
    name, files = f"{FOLDER}{path}", tuple(file for file, _ in asked)
    if numbers is not None and _csv_of(path, "train") is not None:
        return Folder(name, part, files, tuple(numbers[label] for _, label in asked), (), _most(numbers, train), camera)
    classes = _sorted({label for _, label in train})
    lost = next((pair for pair in asked if pair[1] not in classes), None)
    if lost is not None:
        known = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
        raise FormatError(
            f"{lost[0]} is of class {lost[1]!r}{meant(lost[1], classes)}, which the train part does not have; it has "
            f"{known}"
        )
    at = {label: i for i, label in enumerate(classes)}
    return Folder(name, part, files, tuple(at[label] for _, label in asked), classes, len(classes), camera)


def _most(numbers: dict[str, int], train: Labelled) -> int:
    return max(numbers[label] for _, label in train) + 1


def _numbers(*parts: Labelled) -> dict[str, int] | None:
    """Labels as numbers; None where one of them is a word.

    Raises:
        FormatError: a number beyond what labels may be.
    """
    words = {label for part in parts for _, label in part}
    if not all(word.isascii() and word.isdigit() for word in words):
        return None
    large = next((word for word in words if len(word) > 12 or int(word) >= MAX_CLASSES), None)
    if large is not None:
        raise FormatError(f"a label is {large[:40]}; numbers of classes lie below {MAX_CLASSES}")
    return {word: int(word) for word in words}


def _sorted(words: set[str]) -> tuple[str, ...]:
    """Numbers by value, else words by letter."""
    whole = all(word.isascii() and word.isdigit() for word in words)
    return tuple(sorted(words, key=lambda word: (int(word), word) if whole else (0, word)))


def _csv_of(path: Path, part: str) -> Path | None:
    """The CSV that labels a part: in its folder, or one for both beside it."""
    return next((file for file in (path / part / LABELS, path / LABELS) if file.is_file()), None)


def _labelled(path: Path, part: str) -> Labelled:
    """Every file of a part with its label."""
    where = path / part
    if not where.is_dir():
        have = " and ".join(p for p in PARTS if (path / p).is_dir()) or "neither train nor test"
        why = ", whose folders are the classes" if part == "train" else ""
        raise FormatError(f"{path} has no {part} part{why} (it has {have}); make {where} with one subfolder a class")
    file = _csv_of(path, part)
    return _of_classes(where) if file is None else _of_csv(file, where)


def _visible(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.name not in ("Thumbs.db", LABELS))


def _of_classes(where: Path) -> Labelled:
    """One subfolder a class."""
    entries = _visible(where)
    loose = next((p for p in entries if not p.is_dir() and p.suffix.lower() in READERS), None)
    folders = [p for p in entries if p.is_dir()]
    if loose is not None or not folders:
        what = f"{loose} has no label" if loose is not None else f"{where} holds no class"
        raise FormatError(f"{what}; put recordings into one subfolder a class, or write {where / LABELS} (file,label)")
    columns: list[Labelled] = []
    for folder in folders:
        files = _visible(folder)
        if not files:
            raise FormatError(f"class folder {folder} is empty; put recordings into it or delete it")
        for file in files:
            if file.is_dir():
                raise FormatError(
                    f"class folder {folder} holds the folder {file.name}; put its recordings in the class"
                )
            if file.suffix.lower() not in READERS:
                raise FormatError(unknown_ending(file))
        columns.append([(file, folder.name) for file in files])
    longest = max(map(len, columns))
    return [column[i] for i in range(longest) for column in columns if i < len(column)]


def _of_csv(table: Path, where: Path) -> Labelled:
    """The rows of a CSV: files below the folder that it lies in, and labels; those of the part in ``where`` only."""
    base, found, seen = table.parent, list[tuple[Path, str]](), set[Path]()
    for number, row in _rows(table):
        if len(row) != 2 or not row[0].strip() or not row[1].strip():
            raise FormatError(f"{table}, line {number}: {','.join(row)!r} is no pair; give file,label")
        word, label = row[0].strip(), row[1].strip()
        file = base / word
        if "\0" in word or Path(word).is_absolute() or ".." in Path(word).parts:
            raise FormatError(f"{table}, line {number}: {word!r} leads out of {base}; name a file in it")
        if not file.is_file():
            raise FormatError(f"{table}, line {number}: {file} does not exist; correct the line or delete it")
        if file.suffix.lower() not in READERS:
            raise FormatError(f"{table}, line {number}: {unknown_ending(file)}")
        if file in seen:
            raise FormatError(f"{table}, line {number}: {file} has a label already; give each file one line")
        seen.add(file)
        if where in file.parents:
            found.append((file, label))
        elif not any(part in file.relative_to(base).parts[:1] for part in PARTS):
            raise FormatError(f"{table}, line {number}: {file} lies in no part; put it below train or test")
    if not found:
        raise FormatError(f"{table} labels no file of {where}; add lines file,label")
    bare = sorted(p for p in where.rglob("*") if p.suffix.lower() in READERS and p.is_file() and p not in seen
                  and not any(x.startswith(".") for x in p.relative_to(where).parts))  # fmt: skip
    if bare:
        raise FormatError(f"{table} has no label for {counted(len(bare), 'recording')}, first {bare[0]}; add its line")
    return found


def _rows(table: Path) -> list[tuple[int, list[str]]]:
    """Numbered lines without the heading and without empty ones."""
    with table.open("rb") as file:
        content = file.read(MAX_CSV_BYTES + 1)
    if len(content) > MAX_CSV_BYTES:
        raise FormatError(f"{table} is longer than {MAX_CSV_BYTES} bytes; split the data")
    try:
        rows = list(enumerate(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True), 1))
    except (csv.Error, UnicodeDecodeError) as error:
        raise FormatError(f"{table} cannot be read as CSV: {error}; write file,label in UTF-8") from error
    rows = [(number, row) for number, row in rows if row]
    heading = bool(rows) and [word.strip().lower() for word in rows[0][1]] == ["file", "label"]
    return rows[1:] if heading else rows
