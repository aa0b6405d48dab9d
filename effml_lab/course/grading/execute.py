"""One notebook, run in a kernel of its own: its trouble stays its own, and nothing of it outlives it.

The kernel has a home and an IPython folder that are made for it and thrown away, so that no start-up file of one
submission runs in the next. The seed of the inputs is handed to it once it runs, and is in no environment; it is one a
lab. A cell has a limit of time and of output, the notebook a limit of time. With `sandbox` the kernel is shut in, too.
"""
import hashlib
import os
import secrets
import shutil
import site
import tempfile
import time
from pathlib import Path

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_output
from nbgrader import preprocessors
from traitlets import Bool, Integer, Unicode

from . import sandbox
from .marks import NOT_RUN, failure

SAID = 4_000            # characters of an error that are kept
HANDED_OVER = "from effml_lab.course.notebook import check as _check; _check.use({}); del _check"


class Execute(preprocessors.Execute):
    max_bytes = Integer(2_000_000, help="bytes of output that a cell may make; the rest is left out").tag(config=True)
    deadline = Integer(600, help="seconds that a whole notebook may run").tag(config=True)
    sandbox = Bool(False, help="whether the kernel is shut in, by bubblewrap").tag(config=True)
    folder = Unicode("", help="where the secret is kept that the seed of each lab is made of").tag(config=True)

    def preprocess(self, nb, resources=None, km=None):
        self.lost, self.made = "", {}
        self.seed = seed(Path(self.folder), resources["nbgrader"]["assignment"]) if self.folder else None
        self.ends = None                # until the first cell
        self.timeout_func = lambda cell: max(1, round(min(self.limit(), self.ends - time.monotonic())))
        with tempfile.TemporaryDirectory(prefix="effml_", ignore_cleanup_errors=True) as home:
            self.home, self.world = Path(home), world(Path(home))
            try:
                return super().preprocess(nb, resources, km)
            except (DeadKernelError, RuntimeError) as error:        # the kernel does not even start, or not stop
                if not self.lost:
                    raise
                self.log.warning("The kernel was lost: %s", error)
                return nb, resources

    def limit(self) -> int:
        """Seconds of a cell; nbclient's None and -1 mean none of its own."""
        return self.timeout if (self.timeout or 0) > 0 else self.deadline

    def start_new_kernel(self, **words):
        if self.sandbox:
            sandbox.shut_in(self.km, self.home, self.world, self.resources.get("metadata", {}).get("path") or None)
        super().start_new_kernel(**words | {"env": self.world})

    def preprocess_cell(self, cell, resources, index):
        if self.ends is None:
            self.hand_over()
            self.ends = time.monotonic() + self.deadline
        if not self.lost and time.monotonic() > self.ends:
            self.lost = f"{NOT_RUN}the {self.deadline} seconds of this notebook were over"
        if cell.cell_type == "code" and self.lost:
            cell.outputs = [failure(self.lost)]
            return cell, resources
        try:
            return super().preprocess_cell(cell, resources, index)
        except (DeadKernelError, CellTimeoutError):
            cell.outputs.append(failure("this cell ended the kernel or could not be stopped"))
            self.lost = f"{NOT_RUN}an earlier cell ended the kernel"
            return cell, resources

    def hand_over(self):
        """Give the kernel the seed, where there is one."""
        if self.seed is None:
            return
        reply = self.wait_for_reply(self.kc.execute(HANDED_OVER.format(self.seed), silent=True, store_history=False))
        if not reply or reply["content"]["status"] != "ok":
            raise RuntimeError("The kernel cannot import effml_lab, so nothing was graded: is it installed for this kernel?")

    def process_message(self, msg, cell, cell_index):
        """Count every message that shows something: outputs, errors, and updates of what is shown already."""
        if msg["msg_type"] not in ("stream", "display_data", "update_display_data", "execute_result", "error"):
            return super().process_message(msg, cell, cell_index)
        kind = msg["msg_type"] if msg["msg_type"] in ("execute_result", "error") else "shown"    # a flood does not hide a result
        if kind == "error":
            shorten(msg["content"])
        size, before = len(repr(msg["content"])), self.made.get((cell_index, kind), 0)
        self.made[cell_index, kind] = before + size
        if before + size <= self.max_bytes:
            return super().process_message(msg, cell, cell_index)
        if before <= self.max_bytes:
            cell.outputs.append(new_output("stream", name="stdout", text="... the rest of the output was left out ..."))
        return None

    def clear_output(self, outs, msg, cell_index):
        self.made[cell_index, "shown"] = 0
        super().clear_output(outs, msg, cell_index)

    def on_cell_executed(self, **words):
        shorten(words["execute_reply"]["content"])
        super().on_cell_executed(**words)


def shorten(content: dict) -> None:
    """An error's own words, cut to what somebody may read."""
    if "evalue" in content:
        content["evalue"] = str(content["evalue"])[:SAID]
        content["traceback"] = [str(line)[:SAID] for line in content.get("traceback", [])[-10:]]


def world(home: Path) -> dict[str, str]:
    """The environment of a kernel: a fresh home, and what the person who grades has installed."""
    import matplotlib
    for name in ("ipython", "matplotlib"):
        (home / name).mkdir()
    for fonts in Path(matplotlib.get_cachedir()).glob("fontlist*.json"):        # making it anew takes seconds
        shutil.copy(fonts, home / "matplotlib")
    own = {"HOME": str(home), "IPYTHONDIR": str(home / "ipython"), "MPLCONFIGDIR": str(home / "matplotlib"),
           "EFFML_HOME": str(home / "effml"), "PYTHONUSERBASE": site.getuserbase()}
    return dict(os.environ) | own


def secret(folder: Path) -> str:
    """What the seeds of a course are made of: drawn once, kept in the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    path, draft = folder / "seed", folder / f"seed.{os.getpid()}"
    if not path.exists():
        draft.write_text(f"{secrets.token_hex(16)}\n")
        try:
            os.link(draft, path)        # whole or not at all: two graders that start together agree
        except FileExistsError:
            pass
        draft.unlink()
    return path.read_text().strip()


def seed(folder: Path, lab: str) -> int:
    """The seed of the inputs that a lab is graded on, the same for all students and every regrade."""
    return int.from_bytes(hashlib.sha256(f"{secret(folder)}:{lab}".encode()).digest()[:4], "big") >> 1
