"""Data grants on PostgreSQL. README.md says what an administrator sets up, what is enforced and what is not."""

from __future__ import annotations

from workers.executors.postgres.executor import PostgresExecutor
from workers.executors.postgres.prepare import prepare, script
from workers.executors.postgres.settings import PostgresSettings, Product

__all__ = ["PostgresExecutor", "PostgresSettings", "Product", "prepare", "script"]
