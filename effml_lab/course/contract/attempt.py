"""Running a student's code once: caught, captured, watched, and the world put back as it was.

`attempt` is the only place that calls student code. It takes a case as bytes and gives an Attempt of plain data, so
that a strict grader can run it in another process. It catches everything but KeyboardInterrupt; keeps what the code
prints (on sys.stdout and sys.stderr, on file descriptors 1 and 2, through logging) out of the cell; restores the
default dtype, device, grad mode and random states; and notes calls of the package's own version of what the student
is asked to write.
"""
import linecache
import os
import random
import sys
import sysconfig
import tempfile
import threading
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

import numpy as np
import torch

from ...folders import PACKAGE
from .codec import decode, encode
from .exercise import Unanswered

LIBRARIES = (str(PACKAGE), str(Path(torch.__file__).parent), f"{os.sep}site-packages{os.sep}", sysconfig.get_path("stdlib"))


@dataclass
class Attempt:
    """What one run left: the answer as bytes, or why there is none."""
    out: bytes | None = None
    error: str | None = None        # a sentence
    changed: bool = False           # the inputs were changed in place
    called: tuple[str, ...] = ()    # the package's own functions that it called
    printed: str = ""


def attempt(run: Callable, impl, blob: bytes, own: tuple[Callable, ...] = ()) -> Attempt:
    """Call run(impl, case) on a decoded copy of the case."""
    case, result = decode(blob), Attempt()
    with restored(), captured() as text, watched(own) as calls:
        try:
            out = run(impl, case)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            result.error = explain(error)
    result.called, result.printed = tuple(sorted(calls)), text()
    if result.error is None:
        try:
            result.out = encode(out)
        except TypeError as error:
            result.error = f"The answer is not of the expected kind: {error}."
        result.changed = encode(case) != blob
    return result


def explain(error: BaseException) -> str:
    """An exception in one sentence, with the student's own line where it came from."""
    if isinstance(error, Unanswered):
        return str(error)
    theirs = own_frames(error)
    if isinstance(error, NotImplementedError) and not str(error) and theirs:        # torch raises it too, with a message
        return f"Not written yet: `{theirs[-1].name}` is still the stub."
    said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")[:300]
    return f"Your code raised {said}{where(error)}."


def own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    return [frame for frame in traceback.extract_tb(error.__traceback__) if is_theirs(frame.filename)]


def where(error: BaseException) -> str:
    """The student's own line that an exception came through last, in brackets; nothing if there is none."""
    theirs = own_frames(error)
    if not theirs:
        return ""
    source = (linecache.getline(theirs[-1].filename, theirs[-1].lineno) or theirs[-1].line or "").strip()
    return f" (line {theirs[-1].lineno} of your cell: {source})"


def is_theirs(file: str) -> bool:
    """Whether code of this file is the student's: not a library's, not made up on the way."""
    return not any(part in file for part in LIBRARIES) and (file[:1] != "<" or "ipython" in file)


def unwrapped(impl) -> list:
    """The plain functions behind an answer: through tuples, partial, decorators and bound methods."""
    if isinstance(impl, (tuple, list)):
        return [plain for part in impl for plain in unwrapped(part)]
    while True:
        inner = getattr(impl, "__wrapped__", None) or getattr(impl, "func", None) or getattr(impl, "__func__", None)
        if inner is None or not callable(inner):
            return [impl]
        impl = inner


@contextmanager
def watched(own: tuple[Callable, ...]) -> Iterator[set[str]]:
    """Collect the names of the functions in `own` that are called, whatever name they are called by."""
    named = lambda plain: plain.__module__ if "<lambda>" in plain.__qualname__ else plain.__qualname__      # of a table: its file
    codes = {plain.__code__: named(plain) for plain in unwrapped(own)}
    calls: set[str] = set()

    def notice(frame, event, arg):
        if event == "call" and frame.f_code in codes:
            calls.add(codes[frame.f_code])

    before = sys.getprofile()
    if codes:
        sys.setprofile(notice)
        threading.setprofile(notice)
    try:
        yield calls
    finally:
        if codes:
            sys.setprofile(before)
            threading.setprofile(None)


@contextmanager
def restored() -> Iterator[None]:
    """Give torch's, numpy's and Python's global state back as it was."""
    dtype, device, grad = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    threads, folder = torch.get_num_threads(), os.getcwd()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_default_device(None if device == torch.device("cpu") else device)
        torch.set_grad_enabled(grad)
        torch.set_rng_state(states[0]), np.random.set_state(states[1]), random.setstate(states[2])
        torch.set_num_threads(threads)
        os.chdir(folder)


@contextmanager
def captured(limit: int = 2000) -> Iterator[Callable[[], str]]:
    """Keep printing out of the cell; calling what is yielded, afterwards, gives what was printed."""
    text: list[str] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace", buffering=1) as file:
        streams = sys.stdout, sys.stderr
        for stream in streams:
            stream.flush()
        saved = [(fd, os.dup(fd)) for fd in (1, 2) if _is_open(fd)]
        for fd, _ in saved:
            os.dup2(file.fileno(), fd)
        sys.stdout = sys.stderr = file
        diverted = [stream for stream in {id(s): s for s in streams}.values() if _divert(stream, file)]
        try:
            yield lambda: "".join(text)
        finally:
            for stream in diverted:
                del stream.write
            sys.stdout, sys.stderr = streams
            for stream in (*streams, file):
                stream.flush()
            for fd, copy in saved:
                os.dup2(copy, fd)
                os.close(copy)
            file.seek(0)
            text.append(file.read(limit))


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _divert(stream, file) -> bool:
    """In a notebook the old stream may be held by log handlers or by the student: let it write to the file too."""
    try:
        stream.write = file.write
    except AttributeError:      # a terminal's stream: its file descriptor is captured already
        return False
    return True
