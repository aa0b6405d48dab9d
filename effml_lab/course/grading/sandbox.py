"""A kernel that is shut in by bubblewrap: `nbgrader autograde NN --Execute.sandbox=True`. Linux alone.

Inside there is no network, the system and the package are read-only, and nothing else of this machine is in sight: no other
hand-in, no gradebook, no solution, no seed. A hand-in has a home and a copy of its own folder, which are thrown away, and
limits of memory, of processor time and of the size of files; its processes end with it. The kernel is spoken to through
sockets in its home, since a network of its own has no way to ours.

What this does not do: marks are computed in that same process, which can forge what it displays. It keeps a hand-in from other
people's marks, not from its own.
"""
import functools
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from ... import folders

MEMORY, SECONDS, FILE = 6 * 2**30, 900, 64 * 2**20        # bytes of address space; of the processor; bytes of one file
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime")
KEPT = ("PATH", "HOME", "IPYTHONDIR", "MPLCONFIGDIR", "EFFML_HOME", "EFFML_DATA", "NBGRADER_EXECUTION", "OMP_NUM_THREADS",
        "PYTHONPATH", "PYTHONUSERBASE", "LANG", "TQDM_DISABLE")
MISSING = ("The sandbox does not hold ({}), so nothing was run: install bubblewrap (Debian: apt-get install bubblewrap), or "
           "leave --Execute.sandbox=True out for a class whose code you trust.")
TRIES = """
import os, socket, sys
def works(name, act):
    try: act(); print(name)
    except OSError: pass
works("the network is open", lambda: socket.create_connection(("127.0.0.1", {port}), 2))
works("files can be read", lambda: open({secret!r}).read())
works("files can be written", lambda: open(os.path.join({package!r}, "left_behind"), "w"))
works("processes can be killed", lambda: os.kill({pid}, 0))
print("tried")
"""


def walls(home: Path, env: dict[str, str]) -> list[str]:
    """The command that shuts in what follows it. home: the one folder that can be written, under its own name."""
    read = [*SYSTEM, sys.prefix, sys.base_prefix, str(folders.PACKAGE), str(folders.data_folder()), sysconfig.get_path("purelib"),
            *filter(None, env.get("PYTHONPATH", "").split(os.pathsep)), *filter(None, [env.get("EFFML_DATA")])]
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--uid", "65534",
             "--gid", "65534", "--clearenv", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for path in dict.fromkeys(str(Path(path).absolute()) for path in read):
        words += ["--ro-bind-try", path, path]
    words += ["--bind", str(home), str(home), "--chdir", str(home)]
    for name in KEPT:
        words += ["--setenv", name, env[name]] if name in env else []
    return [*words, "prlimit", f"--as={MEMORY}", f"--cpu={SECONDS}", f"--fsize={FILE}"]


def shut_in(kernel_manager, home: Path, env: dict[str, str], folder: str | None) -> None:
    """Make a kernel manager start its kernel within the walls, in a copy of a folder, and speak to it through the home."""
    why = leaks()
    if why:
        raise RuntimeError(MISSING.format(why))
    here = home / "submission"
    shutil.copytree(folder, here, symlinks=True) if folder else here.mkdir()
    kernel_manager.transport, kernel_manager.ip = "ipc", str(home / "k")
    kernel_manager.connection_file = str(home / "kernel.json")
    kernel_manager.kernel_spec.interrupt_mode = "message"
    kernel_manager.kernel_spec.argv = [
        *walls(home, env), "env", f"--chdir={here}", sys.executable, "-P", "-m", "ipykernel_launcher", "-f", "{connection_file}"]


@functools.cache
def leaks() -> str:
    """What a program within the walls could do that it should not, in words; empty if they hold."""
    if shutil.which("bwrap") is None or shutil.which("prlimit") is None:
        return "bwrap and prlimit are not both here"
    with (tempfile.TemporaryDirectory() as home, tempfile.NamedTemporaryFile("w") as secret,
          socket.create_server(("127.0.0.1", 0)) as host):
        code = TRIES.format(port=host.getsockname()[1], secret=secret.name, package=str(folders.PACKAGE), pid=os.getpid())
        words = [*walls(Path(home), dict(os.environ)), sys.executable, "-c", code]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    said = done.stdout.split("\n")
    if "tried" not in said:
        return (done.stderr.strip().splitlines() or ["it does not start"])[-1]
    return ", ".join(said[:said.index("tried")])
