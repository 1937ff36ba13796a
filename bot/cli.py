"""The `quartermaster` command: starts the processes, and mounts the other folders' commands."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from bot.errors import DeskError
from ledger import crash
from ledger.errors import LedgerError
from policies.errors import PolicyError
from workers.errors import SettingsError, WorkerError
from workers.settings import HouseSettings

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


@app.command(epilog="Examples:  quartermaster bot   ·   quartermaster bot --http 3000")
def bot(
    http: Annotated[
        int | None, typer.Option(help="Answer Slack over HTTP on this port instead of Socket Mode.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on with --http.")] = "127.0.0.1",
) -> None:
    """Run the desk alone against real Slack; workers, clock and broker run elsewhere."""
    from bot.demo import run_bot

    run_bot(http, host, Console())


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


@app.command(
    epilog="Examples:  quartermaster reconcile   ·   quartermaster reconcile --backend gpu_pool   ·   "
    "quartermaster reconcile --revert 1a2b3c4d --as U06KOFI --why 'left behind by the old scheduler'"
)
def reconcile(
    backend: Annotated[str | None, typer.Option(help="Look at this one alone, such as gpu_pool.")] = None,
    folder: Annotated[Path | None, typer.Option("--dir", help="The home; QM_HOME when left out.")] = None,
    revert: Annotated[str | None, typer.Option(help="Ask to take away what this finding is about.")] = None,
    who: Annotated[str | None, typer.Option("--as", help="Slack id of who asks; against a demo ledger alone.")] = None,
    why: Annotated[str, typer.Option(help="The reason, shown to whoever approves.")] = "",
) -> None:
    """Compare what the backends hold with what the ledger orders; exit 1 when something is not as ordered."""
    from bot.doors_cli import ask_back, look_over

    settings = HouseSettings() if folder is None else HouseSettings(home=folder, policies=folder / "policies")
    if revert is None:
        raise typer.Exit(look_over(settings, backend, Console()))
    raise typer.Exit(ask_back(settings, revert, who, why, Console()))


@app.command(epilog="Example:  QM_BROKER_URL=redis://valkey:6379/0 quartermaster worker")
def worker() -> None:
    """Carry out what the ledger orders; `demo` and `up` start one by themselves."""
    from workers.app import run_worker

    settings = _with_broker()
    crash.arm("worker", os.environ)
    run_worker(settings, settings.broker_url, simulate=bool(os.environ.get("QM_SIMULATE")))


@app.command(epilog="Example:  QM_BROKER_URL=redis://valkey:6379/0 quartermaster clock")
def clock() -> None:
    """Lapse, expire and sweep; `demo` and `up` start one by themselves."""
    from workers.app import run_clock

    settings = _with_broker()
    crash.arm("clock", os.environ)
    run_clock(settings, settings.broker_url, simulate=bool(os.environ.get("QM_SIMULATE")))


@app.command(epilog="Example:  QM_BROKER_URL=redis://valkey:6379/0 quartermaster keeper")
def keeper(
    end_servers: Annotated[
        bool,
        typer.Option("--end-servers", help="End the model servers with the keeper, instead of leaving them to answer."),
    ] = False,
) -> None:
    """Keep model servers started, evaluated and alive; `demo` and `up` start one when the catalogue serves a model."""
    from workers.app import run_keeper

    settings = _with_broker()
    crash.arm("keeper", os.environ)
    run_keeper(settings, settings.broker_url, end_servers=end_servers)


@app.command(
    epilog="Examples:  quartermaster endpoint   ·   QM_ENDPOINT_HOST=10.0.0.4 quartermaster endpoint --port 443   ·   "
    "curl -H 'Authorization: Bearer qm-...' http://127.0.0.1:8440/v1/models"
)
def endpoint(
    host: Annotated[str | None, typer.Option(help="Address to listen on; QM_ENDPOINT_HOST when left out.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, 0 for a free one; else QM_ENDPOINT_PORT.")
    ] = None,
) -> None:
    """Answer for the models that are served, to whoever has a key; `demo` and `up` start one where models are served."""
    from workers.endpoint.process import run_endpoint
    from workers.endpoint.settings import EndpointSettings

    said = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    run_endpoint(HouseSettings().models, EndpointSettings().model_copy(update=said), Console(soft_wrap=True).print)


@app.command(epilog="Example:  quartermaster doctor")
def doctor() -> None:
    """Say what is set and does not work; exit 1 when something does not."""
    from bot.doctor import examine

    raise typer.Exit(examine(Console()))


def _with_broker() -> HouseSettings:
    settings = HouseSettings()
    if not settings.broker_url:
        raise SettingsError(
            "QM_BROKER_URL is missing: name the Redis or Valkey that desk, worker, clock and keeper share"
        )
    return settings


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

    raise typer.Exit(run_under_lease(HouseSettings().leases, request, context.args))


def main() -> None:
    """Run the command line; people read one sentence, never a stack trace."""
    from ledger.cli import app as ledger_app
    from policies.cli import app as policy_app
    from workers.cli import app as data_app
    from workers.logs import configure
    from workers.models.cli import app as models_app

    configure()
    app.add_typer(ledger_app, name="ledger")
    app.add_typer(policy_app, name="policy")
    app.add_typer(data_app, name="data")
    app.add_typer(models_app, name="models")
    try:
        app()
    except (DeskError, LedgerError, PolicyError, WorkerError) as error:
        Console(stderr=True).print(f"[red]Not done:[/] {escape(_plain(error))}", soft_wrap=True)
        raise SystemExit(1) from None


def _plain(error: Exception) -> str:
    """Return a fault as people read it: its own sentence where it has one, else what its kind means."""
    detail = str(getattr(error, "detail", ""))
    meaning = str(error).removeprefix("Raised when ")
    return detail if " " in detail else meaning[:1].upper() + meaning[1:]


if __name__ == "__main__":
    main()
