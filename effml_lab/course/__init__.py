"""The course: exercises and their checks, notebooks, building and grading.

Notebooks import their helpers from here. They are loaded when asked for: the command line uses this wing without torch.
"""
from importlib import import_module

HELPERS = {"check": "judge"} | dict.fromkeys(("begin", "figure", "shortened", "slider", "summary"), "notebook")
__all__ = list(HELPERS)


def __getattr__(name: str):
    if name not in HELPERS:
        raise AttributeError(f"effml_lab.course has no {name!r}: it offers {', '.join(HELPERS)}")
    return getattr(import_module(f".{HELPERS[name]}", __name__), name)
