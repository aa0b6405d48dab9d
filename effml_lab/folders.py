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


def results(out: Path | str | None = None) -> Path:
    """Where a benchmark writes its rows: `out`, or results/ in the user's own folder."""
    return Path(out or home() / "results")


def checkout() -> Path | None:
    """The repository's folder, or None where the package was installed without it."""
    root = PACKAGE.parent
    return root if (root / "labs").is_dir() and (root / "pyproject.toml").is_file() else None


def repository(what: str) -> Path:
    """The repository's folder; a RuntimeError of one sentence where there is none. what: is missing without it, in the plural."""
    root = checkout()
    if root is None:
        raise RuntimeError(f"The {what} are not part of the installed package: do this in a checkout.")
    return root
