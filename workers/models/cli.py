"""`quartermaster models`: register versions, see what there is, and what ran at a time, with proof."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ledger.book import Book, open_sqlite
from ledger.cli import text_of
from ledger.errors import LedgerError
from ledger.exits import UNREADABLE
from ledger.ran_told import from_book, from_bundle, parse_moment
from policies.catalogue import load_catalogue
from workers.models import telling
from workers.models.errors import WeightsError
from workers.models.registering import check_version, register, register_adapter, served_model
from workers.models.weights import WeightStore
from workers.serving import top_cli
from workers.settings import HouseSettings

app = typer.Typer(
    help="Register versions of models, and see what runs where.", no_args_is_help=True, pretty_exceptions_enable=False
)
_Home = Annotated[Path | None, typer.Option("--dir", help="The home; QM_HOME when left out.")]
_Json = Annotated[bool, typer.Option("--json", help="For programs.")]
_EXAMPLES: Final = "   ·   "


@app.callback()
def group() -> None:
    """Register versions of models, and see what runs where."""


@app.command(
    epilog="Examples:  quartermaster models add fraud-detector 3.2.1 ./export"
    f"{_EXAMPLES}quartermaster models add fraud-detector 3.2.1 ~/.cache/huggingface/hub/models--x/snapshots/1 "
    f"--within ~/.cache/huggingface/hub/models--x{_EXAMPLES}"
    "quartermaster models add fraud-detector legal-tone ./lora --adapter"
)
def add(
    model: Annotated[str, typer.Argument(help="The model's name in the catalogue.")],
    version: Annotated[str, typer.Argument(help="What people call this version, such as 3.2.1.")],
    directory: Annotated[Path, typer.Argument(help="The folder with safetensors, config.json and tokenizer.")],
    within: Annotated[Path | None, typer.Option(help="Where links in it may lead to; the folder itself.")] = None,
    adapter: Annotated[bool, typer.Option("--adapter", help="It is a LoRA adapter; VERSION is its name.")] = False,
    folder: _Home = None,
) -> None:
    """Copy the weights of a version into the store, and enter its digest in the ledger.

    A version that exists may be registered anew with other weights: what was asked for before keeps the ones it named.
    With --adapter the folder holds a LoRA adapter (adapter_config.json and adapter_model.safetensors).
    """
    settings = _settings(folder)
    served_model(load_catalogue(settings.policies_folder), model)
    if not adapter:
        check_version(version)
    book = _book(settings)
    try:
        if adapter:
            store, actor = WeightStore(settings.models / "weights"), f"os:{getpass.getuser()}"
            added = register_adapter(book, store, model, version, directory, actor=actor, within=within)
            telling.tell_taken(model, version, added, Console(), kind="adapter ")
            return
        with _progress(f"{model} {version}") as progress:
            taken = register(
                book,
                WeightStore(settings.models / "weights"),
                model,
                version,
                directory,
                actor=f"os:{getpass.getuser()}",
                within=within,
                progress=progress,
            )
    finally:
        book.store.close()
    telling.tell_taken(model, version, taken, Console())


@app.command("list", epilog=f"Examples:  quartermaster models list{_EXAMPLES}quartermaster models list --json")
def list_models(as_json: _Json = False, folder: _Home = None) -> None:
    """List every version that is registered, how it did, and where it answers now."""
    settings = _settings(folder)
    catalogue = load_catalogue(settings.policies_folder)
    book = _book(settings)
    try:
        known = {name: book.model(name) for name, item in catalogue.models.items() if item.serving is not None}
    finally:
        book.store.close()
    if as_json:
        _print_json([row for name, model in known.items() for row in telling.versions_json(name, model)])
    else:
        for name, model in known.items():
            telling.tell_versions(name, model, Console())


@app.command(epilog="Example:  quartermaster models show fraud-detector")
def show(
    model: Annotated[str, typer.Argument(help="The model's name in the catalogue.")], folder: _Home = None
) -> None:
    """Show one model: its versions with their digests, every evaluation, and what answered where since when."""
    settings = _settings(folder)
    served_model(load_catalogue(settings.policies_folder), model)
    book = _book(settings)
    try:
        telling.tell_model(model, book.model(model), Console())
    finally:
        book.store.close()


@app.command(
    epilog=f"Examples:  quartermaster models at 2026-11-01T12:00 --environment production{_EXAMPLES}"
    "quartermaster models at 2026-11-01T12:00 --bundle all.zip --key @key.txt"
)
def at(
    moment: Annotated[str, typer.Argument(help="A day or a time, UTC unless it names a zone: 2026-11-01T12:00.")],
    environment: Annotated[str | None, typer.Option(help="This environment alone, such as production.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Read an exported bundle instead, and verify it first.")] = None,
    key: Annotated[str | None, typer.Option(help="The public key you were given from outside (or @file).")] = None,
    as_json: _Json = False,
    folder: _Home = None,
) -> None:
    """Say what ran at a time, by whose order, and prove it: entry, leaf hash, and its place under the checkpoint.

    Exit 0: answered; of a bundle also verified against the key. 1: a fault. 2: not readable. 3: not anchored.
    """
    try:
        if bundle is not None:
            answer = from_bundle(bundle, text_of(key), parse_moment(moment), environment)
        else:
            settings = _settings(folder)
            book = _book(settings)
            try:
                answer = from_book(book, settings.home, parse_moment(moment), environment)
            finally:
                book.store.close()
    except LedgerError as error:
        Console(stderr=True).print(f"[red]{escape(error.detail or str(error))}[/]", highlight=False, soft_wrap=True)
        raise typer.Exit(UNREADABLE) from None
    answer.tell(Console(), as_json=as_json)
    raise typer.Exit(answer.status)


@app.command(
    epilog=f"Examples:  quartermaster models top{_EXAMPLES}quartermaster models top --every 5{_EXAMPLES}"
    "quartermaster models top --json | jq .versions"
)
def top(
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = 2.0,
    as_json: _Json = False,
    folder: _Home = None,
) -> None:
    """Show what is served now and how it does: queues, latencies, KV cache, tokens by team. Ctrl-C ends it.

    The keeper reads the servers' own figures every ten seconds; a version that left its profile says so.
    """
    settings = _settings(folder)
    book = _book(settings)
    try:
        look = top_cli.looking(book, settings.models)
        if as_json:
            _print_json(look().json())
        else:
            top_cli.show(look, Console(), every)
    finally:
        book.store.close()


def _settings(folder: Path | None) -> HouseSettings:
    return HouseSettings() if folder is None else HouseSettings(home=folder, policies=folder / "policies")


def _book(settings: HouseSettings) -> Book:
    if not settings.database.exists():
        raise WeightsError(f"there is no ledger at {settings.database}; start Quartermaster once, or say --dir")
    return open_sqlite(settings.database, reserve=settings.disk_reserve)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


@contextmanager
def _progress(what: str) -> Iterator[telling.Tell]:
    """A bar that moves on a terminal, and nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
