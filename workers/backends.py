"""The executors of the catalogue's backends: Slurm for pools on a cluster, a database for its data sets, vLLM for models.

Nothing is connected to here: a backend that is down is no reason not to start.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict

from ledger.book import Book
from policies.backends import POSTGRES, SLURM, Database, Partition
from policies.catalogue import ENDPOINT, Catalogue
from policies.serving import VLLM
from workers.accounts import DatabaseAccounts, cluster_user
from workers.endpoint import counters, keytable
from workers.endpoint.counters import Counters
from workers.errors import SettingsError
from workers.executors.base import Executor
from workers.executors.endpoint_keys import EndpointKeys
from workers.executors.postgres import PostgresExecutor, PostgresSettings, Product
from workers.executors.slurm.executor import SlurmExecutor
from workers.executors.slurm.open import open_client
from workers.executors.slurm.port import Account
from workers.executors.slurm.settings import SlurmSettings
from workers.executors.unusable import UnusableExecutor
from workers.executors.vllm import VllmExecutor
from workers.room import team_of
from workers.serving.launch import STAND_IN
from workers.settings import HouseSettings

logger = structlog.get_logger(__name__)


def backends(settings: HouseSettings, catalogue: Catalogue, book: Book) -> dict[str, Executor]:
    """Return an executor for every backend that the catalogue names, by `Catalogue.backend`.

    One whose settings are wrong is left out of use and does not keep the others from starting.
    """
    found: dict[str, Executor] = {}
    for pool, item in catalogue.pools.items():
        if item.slurm is not None:
            name = f"{SLURM}:{pool}"
            found[name] = _usable(name, functools.partial(_cluster, settings, book, name, item.slurm))
    for database in catalogue.databases.values():
        name = f"{POSTGRES}:{database.name}"
        found[name] = _usable(name, functools.partial(_database, settings, catalogue, book, name, database))
    if serves_models(catalogue):
        found[VLLM] = _models(settings, catalogue)
    return found


def model_keys(
    settings: HouseSettings, catalogue: Callable[[], Catalogue], book: Book, address: Callable[[], str]
) -> dict[str, Executor]:
    """Return the executor of keys to models, where one is served or keys were granted before; else none.

    Args:
        catalogue: returns the one in force, for what teams may use.
        address: returns where people reach the endpoint; raises SettingsError when that is set wrong.
    """
    folder = settings.models
    if not serves_models(catalogue()) and not (folder / keytable.FILE).exists():
        return {}

    def build() -> Executor:
        return EndpointKeys(
            keytable.KeyTable(folder / keytable.FILE),
            lambda: Counters(folder / counters.FILE),
            address(),
            functools.partial(team_of, book),
            teams=lambda: teams_of(catalogue()),
        )

    return {ENDPOINT: _usable(ENDPOINT, build)}


def serves_models(catalogue: Catalogue) -> bool:
    """Whether any model of the catalogue is really served."""
    return any(model.serving is not None for model in catalogue.models.values())


def teams_of(catalogue: Catalogue) -> tuple[keytable.TeamTokens, ...]:
    """Return what teams may use of all models together, by the catalogue."""
    return tuple(
        keytable.TeamTokens(team=name, span=item.span, tokens=item.tokens)
        for name, item in catalogue.budgets.items()
        if item.tokens is not None
    )


def _models(settings: HouseSettings, catalogue: Catalogue) -> Executor:
    serving = {name: item.serving for name, item in catalogue.models.items()}
    stands_in = STAND_IN in settings.vllm_command
    return VllmExecutor(settings.models, serving.get, simulated=stands_in, ready_s=settings.model_ready_s)


def _usable(name: str, build: Callable[[], Executor]) -> Executor:
    """Return what `build` does, or what stands in for it and says which setting is wrong."""
    try:
        return build()
    except SettingsError as error:
        logger.error("a backend is left out until its settings are mended", backend=name, detail=error.detail)  # noqa: TRY400
        return UnusableExecutor(name, f"its settings are wrong: {error.detail}. Mend that and restart the workers")


def _cluster(settings: HouseSettings, book: Book, name: str, partition: Partition) -> Executor:
    slurm = slurm_settings(settings, partition, lambda subject: book.people().slack(subject))
    return SlurmExecutor(slurm, open_client(slurm), name=name)


def _database(settings: HouseSettings, catalogue: Catalogue, book: Book, name: str, database: Database) -> Executor:
    accounts = DatabaseAccounts(settings.accounts_file, database.name, lambda: subjects_of(book))
    return PostgresExecutor(postgres_settings(settings, catalogue, database, accounts), name=name)


def subjects_of(book: Book) -> dict[str, str]:
    """Return every subject that is not erased, with their Slack id."""
    return {subject: slack for subject, slack in book.people().slack_of if slack is not None}


def slurm_settings(
    settings: HouseSettings, partition: Partition, slack_of: Callable[[str], str | None]
) -> SlurmSettings:
    """Return what the Slurm executor of one pool must be told."""

    def account_of(subject: str) -> Account | None:
        found = cluster_user(settings.accounts_file, slack_of(subject))
        return None if found is None else Account(user=found[0], account=found[1] or partition.account)

    return SlurmSettings(
        folder=settings.slurm_records,
        partition=partition.partition,
        types=partition.types,
        account_of=account_of,
        gpus_per_node=partition.gpus_per_node,
        rest=settings.slurm_rest,
        operator=settings.slurm_operator,
        bin=settings.slurm_bin,
        conf=settings.slurm_conf,
        prefix=partition.prefix,
    )


def postgres_settings(
    settings: HouseSettings, catalogue: Catalogue, database: Database, accounts: Mapping[str, str] | None = None
) -> PostgresSettings:
    """Return what the executor of one database must be told.

    Raises:
        SettingsError: `QM_POSTGRES_DSN` cannot be read, or is set and there are several databases.
    """
    dsn = settings.postgres_dsn.get_secret_value()
    if dsn and len(catalogue.databases) > 1:
        there = ", ".join(catalogue.databases)
        message = f"QM_POSTGRES_DSN serves one database and the catalogue has {there}: use a libpq service file"
        raise SettingsError(message)
    try:
        conninfo_to_dict(dsn)
    except psycopg.Error:  # its words would hold the password
        raise SettingsError("QM_POSTGRES_DSN is not what libpq reads; write it like host=db dbname=warehouse") from None
    return PostgresSettings(
        conninfo=dsn or f"service={database.name}",
        products=products_of(catalogue, database),
        accounts=accounts if accounts is not None else {},
        known=frozenset(database.known),
        executor=database.executor,
        house=database.house,
        connection_limit=database.connection_limit,
    )


def products_of(catalogue: Catalogue, database: Database) -> tuple[Product, ...]:
    """Return the data sets that live in one database."""
    return tuple(
        Product(name=item.name, schema=item.at.schema, table=item.at.table, columns=item.columns)
        for item in catalogue.datasets.values()
        if item.at is not None and item.at.database == database.name
    )
