"""Where things lie: what comes with the package, and what a user makes. Imports nothing, so that any part may ask."""
import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def data_folder() -> Path:
    """checkpoints/ and results/: data/ inside the installed package (a wheel), or beside it (an editable install)."""
    inside = PACKAGE / "data"
    return inside if inside.is_dir() else PACKAGE.parent / "data"


def home() -> Path:
    """The user's own folder: $EFFML_HOME, by default ~/.effml_lab."""
    return Path(os.environ.get("EFFML_HOME") or "~/.effml_lab").expanduser()
