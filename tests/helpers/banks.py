"""The banks of tests/mutants: of each exercise the answers that are right and those that are wrong; and what a verdict rests on.

Versions of PyTorch and the rest are in a recorded row but not in its hash: another machine may have others.
"""
import ast
import hashlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import grimp

from effml_lab import folders
from effml_lab.course.exercises import EXERCISES

ROOT = folders.checkout()
JUDGE, TEST = "effml_lab.course.contract.judge", ROOT / "tests/course/exercises/test_graders.py"


def opened(path: Path):
    """A bank's file as a module."""
    spec = importlib.util.spec_from_file_location(f"mutants_{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES = {path: opened(path) for path in sorted((ROOT / "tests/mutants").glob("*_*/*.py"))}
OWNERS = {id: path for path, bank in FILES.items() for id in (getattr(bank, "READINGS", None) or [bank.EXERCISE])}
BANKS = {id: getattr(FILES[path], "READINGS", {}).get(id) or (FILES[path].RIGHT, FILES[path].WRONG)
         for id, path in OWNERS.items()}                                # id -> (right answers, wrong ones with their true causes)
HOMES = {exercise.id: name for name, module in list(sys.modules.items())
         if name.startswith("effml_lab.course.exercises.lab") and name.count(".") == 4
         for exercise in getattr(module, "EXERCISES", ())}              # id -> the module that holds it
CHECKPOINTS = {path.stem for path in folders.data_folder().glob("checkpoints/*.json")}
CODED = [id for id, exercise in EXERCISES.items() if exercise.kind != "value"]


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("effml_lab", cache_dir=None)


def shape(node) -> str:
    """A syntax tree as text, without places and empty fields, which differ between versions of Python."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
        return f"{type(node).__name__}({', '.join(f'{name}={shape(value)}' for name, value in fields)})"
    return f"[{', '.join(map(shape, node))}]" if isinstance(node, list) else repr(node)


@cache
def meaning(path: Path) -> str:
    """A hash of what a file of Python does: of its syntax tree, without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(shape(tree).encode()).hexdigest()


def source(module: str) -> Path:
    path = folders.PACKAGE.parent / module.replace(".", "/")
    return path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"


def used(bank) -> set[str]:
    """The modules of the package that a bank's file takes something from."""
    name = lambda value: value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return {name(value) for value in vars(bank).values()} & graph().modules


@cache
def data(pattern: str) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folders.data_folder().glob(pattern))]


@cache
def words(path: Path) -> frozenset[str]:
    """All texts that stand in a file of Python, the names of checkpoints among them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


@cache
def rests_on(id: str) -> str:
    """A hash of all of ours that decides a verdict: bank, exercise, judge, what they import, data they may read, this test."""
    roots = {HOMES[id], JUDGE} | used(FILES[OWNERS[id]])
    modules = roots.union(*(graph().find_upstream_modules(root) for root in roots))
    if "effml_lab.datasets" in modules:                                 # which imports the others when they are asked for
        modules |= graph().find_descendants("effml_lab.datasets")
    parts = [meaning(path) for path in (OWNERS[id], TEST, *map(source, sorted(modules)))]
    if "effml_lab.models.store" in modules:
        said = set().union(*(words(path) for path in (OWNERS[id], *map(source, modules))))
        parts += [part for name in sorted(said & CHECKPOINTS) for part in data(f"checkpoints/{name}.*")]
    if "effml_lab.bench.point" in modules:                              # by which readings are answered
        parts += data("results/samplers.jsonl") + data("results/guidance.jsonl") + data("results/distill.jsonl")
        parts += data("results/quant.jsonl")
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def stale(id: str, row, seeds: int) -> bool:
    """Whether a row has to be made again: missing, of another state of things, of fewer seeds, not all as it should be."""
    if row is None or row.settings["rests on"] != rests_on(id) or row.settings["seeds"] < (seeds if id in CODED else 1):
        return True
    return any(not row.settings[name] == row.settings[f"{name} told"] == len(BANKS[id][kind])
               for kind, name in enumerate(("right", "wrong")))
