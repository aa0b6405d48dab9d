"""The course: the contract of an exercise, the exercises, what notebooks call, how they are made, how they are graded.

Notebooks import their helpers from here. They are loaded when asked for: the command line uses this wing without torch.
"""
from importlib import import_module

HELPERS = {     # name -> the module of notebook/ that holds it
    "begin": "start", "shortened": "start", "check": "check", "figure": "figures", "panel": "figures", "slider": "figures",
    "summary": "summary"}
__all__ = list(HELPERS)


def __getattr__(name: str):
    if name not in HELPERS:
        raise AttributeError(f"effml_lab.course has no {name!r}: it offers {', '.join(HELPERS)}")
    return getattr(import_module(f".notebook.{HELPERS[name]}", __name__), name)
