"""The rooms of the house: who may import whom, and how long a file may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from ir.neurons import MODELS
from ir.schedule import ORDERS

ROOT = Path(__file__).parent.parent
STAGES = ("trainer", "mapper", "sim_reference", "targets")
FLOOR = {"ir": 0, "exchange": 1, "stimuli": 1, **dict.fromkeys(STAGES, 2), "unlayered": 3}
"""A room imports from lower floors and from itself."""

ROOMS = tuple(FLOOR)
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
MAX_LINES = 300
MAX_FUNCTION_LINES = 60


EXECUTORS = ("trainer", "sim_reference", "targets")
"""Rooms whose plain executor chooses neuron models and order rules from one table each, in the order of the rooms."""

COMPILED = {"compiled", "gpu"}
"""Folders of executors that may know fewer."""

OTHER_TABLES = ("targets/lava/host.py",)
"""Files of executors whose ``MODELS`` are not of neurons."""


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; imports are absolute"
            yield str(node.module)


def offenders(packages: set[str], allowed_in: tuple[str, ...]) -> list[str]:
    """Files outside ``allowed_in`` that import one of ``packages``."""
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in FILES
        if not str(path.relative_to(ROOT)).startswith(allowed_in)
        for name in imports(path)
        if name.split(".")[0] in packages
    ]


def test_imports_lead_down_and_no_stage_imports_another():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in FILES
        for name in imports(path)
        if (room := name.split(".")[0]) in FLOOR and room != room_of(path) and FLOOR[room] >= FLOOR[room_of(path)]
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle():
    """Not even for types; what a function imports when it runs does not count."""
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in FILES}
    below: dict[str, set[str]] = {}
    for name, path in names.items():
        found = below.setdefault(name, set())
        for node in blocks(ast.parse(path.read_text(encoding="utf-8")).body):
            if isinstance(node, ast.ImportFrom):
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= (whole & set(names)) or ({str(node.module)} & set(names))
        found.discard(name)
    TopologicalSorter(below).prepare()  # raises CycleError, which names the circle


def blocks(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module and of its ``if``s."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from blocks(node.body)


def test_torch_stays_in_the_trainer_and_the_front_door():
    allowed = ("trainer/", "unlayered/")
    assert offenders({"torch", "torchvision", "snntorch", "triton"}, allowed) == []
    assert offenders({"tonic"}, ("stimuli/",)) == []


def test_lava_stays_in_its_target():
    assert offenders({"lava"}, ("targets/lava/",)) == []


def test_the_mapper_reads_no_file_of_a_target():
    assert [(p, n) for p in FILES if room_of(p) == "mapper" for n in imports(p) if n.startswith("exchange")] == []


def test_the_folders_of_the_mapper_point_one_way():
    below: dict[str, set[str]] = {}
    for path in FILES:
        folder = str(path.parent.relative_to(ROOT)).replace("/", ".")
        if folder.startswith("mapper."):
            named = {".".join(n.split(".")[:2]) for n in imports(path) if n.startswith("mapper.")}
            below.setdefault(folder, set()).update(named & {f"mapper.{p.name}" for p in (ROOT / "mapper").iterdir()})
    graph = {folder: {b for b in used if b in below and b != folder} for folder, used in below.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError where folders point at each other


@pytest.mark.parametrize(("name", "known"), [("MODELS", MODELS), ("ORDERS", ORDERS)], ids=["models", "orders"])
def test_plain_executors_know_every_neuron_model_and_order_rule_and_compiled_ones_a_few_of_them(name, known):
    found = tables(name)
    compiled = {path: names for path, names in found.items() if COMPILED & set(path.parts)}
    plain = {path: names for path, names in found.items() if path not in compiled}
    assert [path.parts[0] for path in plain] == list(EXECUTORS), "each executor has one table that is complete"
    trained = {key for key in known if name != "MODELS" or known[key].trained is not None}
    complete = {path: trained if room_of(ROOT / path) == "trainer" else set(known) for path in plain}
    assert {path: names for path, names in plain.items() if names != complete[path]} == {}
    assert {path: names for path, names in compiled.items() if not names or not names <= set(known)} == {}
    assert compiled, "compiled executors say what they know"


def tables(name: str) -> dict[Path, set[str]]:
    """The names in every table called ``name`` of an executor, read from its text: not even Lava need be there."""
    found = {}
    for path in FILES:
        where = path.relative_to(ROOT)
        if room_of(path) in EXECUTORS and str(where) not in OTHER_TABLES:
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                        keys = node.value.keys if isinstance(node.value, ast.Dict) else node.value.elts
                        found[where] = {ast.literal_eval(key) for key in keys}
    return found


def test_no_executor_asks_for_an_order_rule_by_name_beside_its_table():
    asked = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        if room_of(path) in EXECUTORS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        and any(isinstance(x, ast.Constant) and x.value in tuple(ORDERS) for x in (node.left, *node.comparators))
    ]
    assert asked == []


def test_tests_never_ship():
    assert offenders({"tests", "pytest", "hypothesis"}, ()) == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_read_in_one_sitting(path: Path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert text.count("\n") <= MAX_LINES
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    long = [f.name for f in functions if (f.end_lineno or f.lineno) - f.lineno + 1 > MAX_FUNCTION_LINES]
    assert long == []
    assert ast.get_docstring(tree), "a module opens with one sentence that says what it is"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_catches_everything(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None and getattr(node.type, "id", "") != "Exception"
