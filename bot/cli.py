"""The `quartermaster` command: starts the processes, and mounts the other folders' commands."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot.errors import DeskError
from ledger.errors import LedgerError
from policies.errors import PolicyError
from workers.errors import WorkerError

app = typer.Typer(
    name="quartermaster",
    help="One desk for GPU time, deployments and data access, with a ledger anyone can verify.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
gpu = typer.Typer(help="Run commands on the GPUs you hold.", no_args_is_help=True)
app.add_typer(gpu, name="gpu")


@app.command(epilog="Examples:  quartermaster demo   ·   quartermaster demo --play")
def demo(
    play: Annotated[bool, typer.Option("--play", help="Play the whole story without a browser, and check it.")] = False,
    folder: Annotated[Path | None, typer.Option("--dir", help="Where the demo keeps its state.")] = None,
    port: Annotated[int, typer.Option(help="Port of the local workspace.")] = 8420,
) -> None:
    """Start the whole desk on this machine, with a local workspace in the browser."""
    if play:
        _play(folder)
        return
    from bot.demo import run_demo

    run_demo(folder or Path(".quartermaster/demo"), port, Console())


@app.command(epilog="Example:  quartermaster up")
def up() -> None:
    """Start the desk against real Slack, as soon as its tokens are in the environment or `.env`."""
    from bot.demo import run_up

    run_up(Console())


def _play(folder: Path | None) -> None:
    from bot.house import only_one
    from bot.play import PlayError, play

    console = Console()
    with tempfile.TemporaryDirectory(prefix="quartermaster-") as scratch:
        home = (folder or Path(scratch)).absolute()
        try:
            with only_one(home):
                play(home, console)
        except PlayError as error:
            console.print(f"[red]Not true:[/] {error}")
            raise typer.Exit(1) from None


@app.command(hidden=True)
def worker() -> None:
    """Carry out what the ledger orders (started by `demo` and `up`)."""
    from workers.app import run_worker
    from workers.settings import HouseSettings

    settings = HouseSettings()
    run_worker(settings, settings.broker_url, simulate=bool(os.environ.get("QM_SIMULATE")))


@app.command(hidden=True)
def clock() -> None:
    """Lapse, expire and sweep (started by `demo` and `up`)."""
    from workers.app import run_clock
    from workers.settings import HouseSettings

    settings = HouseSettings()
    run_clock(settings, settings.broker_url, simulate=bool(os.environ.get("QM_SIMULATE")))


@gpu.command(
    "run",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Example:  quartermaster gpu run REQ-1001 -- python train.py",
)
def gpu_run(
    context: typer.Context, request: Annotated[str, typer.Argument(help="The request that holds the GPUs.")]
) -> None:
    """Run a command on the GPUs that a request holds; it is stopped when the lease ends."""
    from workers.run import run_under_lease
    from workers.settings import HouseSettings

    raise typer.Exit(run_under_lease(HouseSettings().leases, request, context.args))


def main() -> None:
    """Run the command line; people read one sentence, never a stack trace."""
    from ledger.cli import app as ledger_app
    from policies.cli import app as policy_app
    from workers.cli import app as data_app

    app.add_typer(ledger_app, name="ledger")
    app.add_typer(policy_app, name="policy")
    app.add_typer(data_app, name="data")
    try:
        app()
    except (DeskError, LedgerError, PolicyError, WorkerError) as error:
        Console(stderr=True).print(f"[red]{type(error).__name__}:[/] {error}", markup=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
