"""The command line: python -m effml_lab lab | doctor | build | talk | repair | train | bench.

Every subcommand imports what it needs when it is called, so that `lab` answers at once and an installed package without
the grading extras still has the rest. What is wrong with the input is told in one sentence, with exit code 2; with
EFFML_TRACE set, whoever works on the package itself sees the whole traceback.
"""
import os
import sys
from importlib import import_module
from inspect import signature
from pathlib import Path

import click

WRONG_INPUT = (click.ClickException, ValueError, RuntimeError, OSError, ModuleNotFoundError)


class OneSentence(click.Group):
    """A group that turns what its commands refuse into a sentence on stderr and exit code 2."""

    def main(self, *args, **kwargs):
        try:
            return super().main(*args, **kwargs | {"standalone_mode": False})
        except (KeyboardInterrupt, click.Abort):
            click.echo("Stopped.", err=True)
            sys.exit(130)
        except WRONG_INPUT as error:
            if os.environ.get("EFFML_TRACE"):
                raise
            click.echo(sentence(error), err=True)
            sys.exit(2)

    def resolve_command(self, ctx, args):
        if self.get_command(ctx, args[0]) is None:
            raise click.ClickException(f"There is no command {args[0]!r}: choose one of {', '.join(self.commands)}.")
        return super().resolve_command(ctx, args)


def sentence(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{error.name} is not installed: pip install -r requirements.txt."
    return error.format_message() if isinstance(error, click.ClickException) else str(error)


def choose(kind: str, name: str, names) -> None:
    if name not in names:
        raise click.ClickException(f"There is no {kind} {name!r}: choose one of {', '.join(names)}.")


@click.group(cls=OneSentence)
@click.version_option(package_name="effml_lab")
def cli():
    """Efficient diffusion models: a course of lectures and graded labs."""


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def lab(options: tuple[str, ...]):
    """List the labs and start JupyterLab on them; OPTIONS go to JupyterLab (--no-browser, --port=8889, ...)."""
    from . import doctor, folders
    from .course.notebook import labs, marks
    root = folders.checkout()
    if root is None:
        raise click.ClickException(f"The labs are not part of the installed package: get them from {labs.source_url()}.")
    findings = doctor.examine(folders.data_folder())
    for line in findings:
        if line.ok is False:
            click.echo(line)
    click.echo(labs.table(labs.listed(root / "labs"), labs.measured(folders.data_folder() / "results"), marks.best()))
    if not next(line for line in findings if line.name == "jupyterlab").ok:
        raise click.ClickException(f"JupyterLab is not installed: {doctor.INSTALL}.")
    root_user = hasattr(os, "geteuid") and os.geteuid() == 0
    if root_user:
        click.echo("You are root, so JupyterLab starts with --allow-root.")
    labs.start(root / "labs", labs.command(options, root_user))


@cli.command()
def doctor():
    """Say what this machine has, and what to do where something is missing."""
    from . import doctor, folders
    findings = doctor.examine(folders.data_folder())
    click.echo("\n".join(map(str, findings)))
    sys.exit(1 if any(line.ok is False for line in findings) else 0)


OUT = click.option("--out", type=click.Path(path_type=Path), help="the folder to write to, instead of the usual one")


@cli.command()
@click.argument("names", nargs=-1, metavar="[NN]...")
@click.option("--execute", is_flag=True, help="run the lectures and keep what they show")
@click.option("--check", is_flag=True, help="write nothing; name the notebooks that differ, with exit code 1")
@click.option("--from-notebook", "edited", type=click.Path(path_type=Path), help="take an edited notebook back into its text")
@click.option("--graded", is_flag=True, help="leave the links to the solutions out, for a class that is graded")
@click.option("--readme", is_flag=True, help="draw the README's figure and numbers again from data/results")
def build(names: tuple[str, ...], execute: bool, check: bool, edited: Path | None, graded: bool, readme: bool):
    """Make the notebooks from their texts: of lab NN, or all of them."""
    from .course.authoring import build as builder
    if readme:
        from .course.authoring.readme import redraw
        changed = redraw(builder.home())
    elif edited is not None:
        changed = [builder.from_notebook(edited)]
    else:
        changed = builder.build(list(names), execute=execute, check=check, graded=graded)
    for path in changed:
        click.echo(path)
    sys.exit(1 if check and changed else 0)


@cli.command()
@click.argument("names", nargs=-1, metavar="[NN]...")
@OUT
def talk(names: tuple[str, ...], out: Path | None):
    """Make slides of lecture NN, or of all of them: pages that need no network."""
    from .course.authoring import build as builder, talk as slides
    for path in slides.make(builder.home(), list(names), out):
        click.echo(path)


@cli.command()
@click.argument("name", metavar="NN")
def repair(name: str):
    """Mend hand-ins of a lab in grading/submitted: wrong name, place or encoding. What came stays as it was."""
    from .course.authoring import build as builder
    from .course.grading import handins
    root = builder.home()
    (name,) = builder.chosen([name], root)
    for line in handins.repair(root / "grading/submitted", name) or ["Every hand-in of this lab lies where nbgrader finds it."]:
        click.echo(line)


def place(name: str) -> str:
    """A device that can be used, or one sentence."""
    import torch
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):
        raise click.ClickException(f"There is no device {name!r} on this machine: use --device cpu.") from None
    return name


def run(kind: str, wing: str, work: str, name: str, device: str, out: Path | None, minutes: float | None) -> None:
    """Call `work` of the module `name` in a wing, and say what it returns."""
    choose(kind, name, import_module(f".{wing}", __package__).NAMES)
    if out is not None and out.is_file():
        raise click.ClickException(f"{out} is a file: --out names a folder.")
    call = getattr(import_module(f".{wing}.{name}", __package__), work)
    if minutes is not None and "minutes" not in signature(call).parameters:
        raise click.ClickException(f"{name} runs to its end: leave --minutes out.")
    more = {} if minutes is None else {"minutes": minutes}
    click.echo(call(device=place(device), out=out, **more) or f"stopped after {minutes:g} minutes: the same command goes on")


DEVICE = click.option("--device", default="cpu", show_default=True, help="where to compute: cpu, cuda, mps")
MINUTES = click.option("--minutes", type=click.FloatRange(0, min_open=True), help="stop then; the same command goes on")


@cli.command()
@click.argument("name")
@DEVICE
@OUT
@MINUTES
def train(name: str, device: str, out: Path | None, minutes: float | None):
    """Train the model NAME and store it with its card; after a kill, the same command goes on."""
    run("model to train", "recipes", "train", name, device, out, minutes)


@cli.command()
@click.argument("name")
@DEVICE
@OUT
@MINUTES
def bench(name: str, device: str, out: Path | None, minutes: float | None):
    """Measure NAME and append what was found to the recorded results."""
    run("benchmark", "bench", "measure", name, device, out, minutes)


if __name__ == "__main__":
    cli(prog_name="python -m effml_lab")
