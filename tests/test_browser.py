"""Lab 01 as a student meets it: the README's command starts JupyterLab, and headless Chromium runs the solution's cells.

The server is given a temporary folder with a copy of the solution as its root, so that nothing is written in the
repository; the token is the one that Jupyter drew itself, read from its runtime file.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import browser
import pytest

from effml_lab.folders import checkout

ROOT = checkout()
SOLUTION = Path(os.environ.get("STANDIN", ROOT / "solutions" / "01_ddpm" / "01_ddpm.ipynb"))
SETTINGS = {        # no question about news, no cells left undrawn below the edge of the window
    "apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
}
PICTURES = """async cell => (await Promise.all([...cell.querySelectorAll('.jp-OutputArea-output img')].map(
    async img => (await fetch(img.src)).text()))).join()"""

pytestmark = browser.needed


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait(what, seconds: float, hope: str, every: float = 0.2):
    """The first true value of what(), or a failure that says what was hoped for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := what():
            return value
        time.sleep(every)
    raise AssertionError(f"{hope}: not within {seconds:.0f} s")


@pytest.fixture
def server(tmp_path):
    """The address of a JupyterLab started by the README's command, token included."""
    shutil.copytree(SOLUTION.parent, tmp_path / "work" / "01_ddpm")
    for name, values in SETTINGS.items():
        path = tmp_path / "settings" / "@jupyterlab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    runtime, env = tmp_path / "runtime", dict(os.environ, EFFML_HOME=str(tmp_path / "home"))
    env |= {"JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings")}
    command = [sys.executable, "-m", "effml_lab", "lab", "--no-browser", f"--port={free_port()}",
               f"--ServerApp.root_dir={tmp_path / 'work'}"]
    with open(tmp_path / "server.log", "w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def address():
        assert process.poll() is None, (tmp_path / "server.log").read_text()
        files = list(runtime.glob("jpserver-*.json")) if runtime.is_dir() else []
        return files and files[0].read_text() and json.loads(files[0].read_text())
    try:
        told = wait(address, 60, "JupyterLab is up")
        assert told["token"], "the server must ask for a token"
        yield f"{told['url']}lab/tree/01_ddpm/01_ddpm.ipynb?token={told['token']}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def page():
    with browser.opened(1300, 1000) as page:
        yield page


def run_all(page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def finished(page) -> bool:
    """Every code cell has its number and none raised."""
    assert not page.locator("[data-mime-type='application/vnd.jupyter.error']").count(), "a cell of the solution raised"
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
    return bool(prompts) and all(text.strip("[]: ").isdigit() for text in prompts if text)


def test_lab_01_in_a_browser(server, page):
    page.goto(server)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").first.wait_for(timeout=60_000)
    run_all(page)
    wait(lambda: finished(page), 600, "all cells have run", every=1.0)
    assert page.locator(".jp-OutputArea-output table").count() > 0

    cell = page.locator(".jp-CodeCell", has=page.locator(".widget-slider")).first
    cell.scroll_into_view_if_needed()
    before = cell.evaluate(PICTURES)
    assert before
    cell.locator(".noUi-handle").first.press("ArrowRight")
    wait(lambda: cell.evaluate(PICTURES) not in ("", before), 60, "the figure follows the slider")
