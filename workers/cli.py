"""`quartermaster data`: what an administrator of a database does once, and again whenever the catalogue changed."""

from __future__ import annotations

from typing import Annotated

import psycopg
import typer
from rich.console import Console

from policies.catalogue import Catalogue, load_catalogue
from workers.backends import postgres_settings
from workers.errors import SettingsError
from workers.executors.postgres import PostgresSettings, prepare, script
from workers.settings import HouseSettings

app = typer.Typer(help="Set up the databases that hold data sets.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Set up the databases that hold data sets."""


@app.command("prepare", epilog='Example:  quartermaster data prepare warehouse --as "host=db dbname=warehouse"')
def data_prepare(
    backend: Annotated[str, typer.Argument(help="The backend's name in the catalogue.")],
    administrator: Annotated[
        str, typer.Option("--as", envvar="QM_POSTGRES_ADMIN_DSN", help="How an administrator logs in (libpq).")
    ] = "",
) -> None:
    """Print the SQL that a backend needs, or run it with --as; running it again changes nothing."""
    settings = settings_of(HouseSettings(), backend)
    if not administrator:
        typer.echo(script(settings), nl=False)
        return
    try:
        with psycopg.connect(administrator, autocommit=True) as session:
            prepare(session, settings)
    except psycopg.OperationalError as error:
        raise SettingsError("the administrator's login did not work; check --as or QM_POSTGRES_ADMIN_DSN") from error
    console = Console()
    console.print(f"{backend} is prepared for {len(settings.products)} data sets.")
    console.print(f"Give {settings.executor} a password, in psql: \\password {settings.executor}", markup=False)


def settings_of(settings: HouseSettings, backend: str) -> PostgresSettings:
    """Return the settings of a backend of the catalogue; raises SettingsError when there is none of that name."""
    catalogue: Catalogue = load_catalogue(settings.policies_folder)
    database = catalogue.databases.get(backend)
    if database is None:
        there = ", ".join(catalogue.databases) or "none; see README, Connecting PostgreSQL"
        raise SettingsError(f"the catalogue has no backend {backend}. There are: {there}")
    return postgres_settings(settings, catalogue, database)
