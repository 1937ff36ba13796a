"""Settings of the hands and the desk, from the environment and `.env`, read once a process."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from workers.errors import SettingsError


class HouseSettings(BaseSettings):
    """Where state, rules, database and broker are. Every process of one installation shares these."""

    model_config = SettingsConfigDict(env_prefix="QM_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Field(
        default=Path(".quartermaster"), description="State: ledger, keys, leases, messages. Default .quartermaster"
    )
    policies: Path | None = Field(
        default=None, description="Folder with policy.csv and catalogue.toml. Default <home>/policies"
    )
    database_url: str = Field(default="", description="Ledger database. Default SQLite at <home>/ledger.sqlite3")
    broker_url: str = Field(default="", description="Redis or Valkey for Celery. Default an embedded Valkey in <home>")
    disk_reserve_mb: int = Field(
        default=64,
        ge=1,
        description="Below so much free room, MiB, on the ledger's disk nothing new begins and endings go on. Default 64",
    )
    reconcile_s: float = Field(
        default=300, gt=0, le=300, description="Seconds between two looks for side doors, 300 at most. Default 300"
    )
    admin_channel: str = Field(
        default="",
        description="Id or name of the Slack channel that hears of side doors. Default direct messages to admins",
    )

    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the clock's metrics on 127.0.0.1. Default none"
    )

    postgres_dsn: SecretStr = Field(
        default=SecretStr(""),
        description="How the executor logs in to the catalogue's one PostgreSQL backend (libpq). "
        "Default `service=<name of the backend>`, from your service file",
    )
    slurm_rest: str = Field(
        default="", description="slurmrestd, as `unix:/path` or `http://host:port`. Default the commands sbatch, squeue"
    )
    slurm_operator: str = Field(
        default="", description="Who calls Slurm, an operator of it. Default the user that runs Quartermaster"
    )
    slurm_bin: Path | None = Field(default=None, description="Where Slurm's commands are. Default the usual places")
    slurm_conf: Path | None = Field(default=None, description="Slurm's slurm.conf. Default Slurm's own")
    accounts: Path | None = Field(
        default=None, description="Who people are on the cluster and in databases. Default <home>/accounts.toml"
    )

    vllm_command: str = Field(
        default="",
        description="The program that starts a model server, before its arguments. Default vLLM under the same Python",
    )
    model_ready_s: float = Field(
        default=900, gt=0, description="Seconds that a model server may take to be healthy. Default 900"
    )

    @model_validator(mode="after")
    def _only_sqlite(self) -> Self:
        if self.database_url and not self.database_url.startswith("sqlite:///"):
            raise SettingsError("QM_DATABASE_URL must be sqlite:///path for now; PostgreSQL is not built yet")
        return self

    @property
    def policies_folder(self) -> Path:
        """The folder whose rules are in force."""
        return (self.policies or self.home / "policies").absolute()

    @property
    def database(self) -> Path:
        """The ledger's SQLite file."""
        return Path(self.database_url.removeprefix("sqlite:///") or self.home / "ledger.sqlite3").absolute()

    @property
    def disk_reserve(self) -> int:
        """Bytes of the ledger's disk that are left to endings."""
        return self.disk_reserve_mb * 1024 * 1024

    @property
    def key(self) -> Path:
        """The file of the key that signs checkpoints."""
        return (self.home / "keys" / "checkpoint.key").absolute()

    @property
    def slurm_records(self) -> Path:
        """The folder of what Slurm forgets; every worker must see the same one."""
        return (self.home / "slurm").absolute()

    @property
    def accounts_file(self) -> Path:
        """The file that says who people are elsewhere."""
        return (self.accounts or self.home / "accounts.toml").absolute()

    @property
    def models(self) -> Path:
        """The folder of served models: weights, orders, servers, routes, keys and counters."""
        return (self.home / "models").absolute()

    @property
    def evaluations(self) -> Path:
        """The folder with a file of cases for each model."""
        return self.policies_folder / "evaluations"

    @property
    def leases(self) -> Path:
        """The folder of GPU leases that `gpu run` obeys."""
        return (self.home / "leases").absolute()
