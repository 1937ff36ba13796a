"""How things are called in the database, and the mark that a grant's role carries in its comment.

Roles of a house `qm`: `qm_1042_0f3a9c21` (a grant), `qm:claims_2024:read` (a data product), and
`qm:claims_2024:read:amount` (one column of it). The colon keeps the two kinds apart. A name is at most 63 bytes:
PostgreSQL cuts longer ones silently, so that a longer one ends in a digest of the whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.errors import MalformedError
from ledger.log.canonical import format_time, parse_time
from ledger.nouns import Access, Grant

LONGEST: Final = 63
"""Bytes of an identifier (NAMEDATALEN - 1)."""
_KEPT: Final = 50
_MARK: Final = re.compile(r"quartermaster (\S+) key=([0-9a-f]{32}) generation=([1-9][0-9]{0,8}) not_after=(\S+)")


def grant_role(house: str, grant: Grant) -> str:
    """Return the role that stands for a grant: its request's number and eight digits of its key."""
    return f"{house}_{grant.request}_{grant.key[:8]}"


def grant_pattern(house: str) -> str:
    """Return the regular expression that every grant role's name matches, and no other role's should."""
    return rf"^{house}_[0-9]+_[0-9a-f]{{8}}$"


def is_grant_role(house: str, name: str) -> bool:
    """Return whether a role is named as a grant's is."""
    return re.fullmatch(grant_pattern(house), name, re.ASCII) is not None


def product_role(house: str, data_set: str, access: Access) -> str:
    """Return the role that may read, or read and change, every column of a data set."""
    return _fitting(f"{house}:{data_set}:{access.value}")


def column_role(house: str, data_set: str, access: Access, column: str) -> str:
    """Return the role that may read, or read and change, one column of a data set."""
    return _fitting(f"{house}:{data_set}:{access.value}:{column}")


def roles_for(house: str, data_set: str, access: Access, columns: Collection[str]) -> set[str]:
    """Return the roles that a grant is a member of: one for the whole product, or one for each column."""
    if not columns:
        return {product_role(house, data_set, access)}
    return {column_role(house, data_set, access, column) for column in columns}


def keeper_role(house: str) -> str:
    """Return the role that owns views and leases; nobody logs in as it and nobody is a member."""
    return f"{house}:keeper"


def estate_role(house: str) -> str:
    """Return the role that inherits what holders of a grant made and left behind."""
    return f"{house}:estate"


def lease_schema(house: str) -> str:
    """Return the schema of the lease table, which is ours alone."""
    return house


def view_schema(house: str) -> str:
    """Return the schema of the views, which holders of grants use."""
    return f"{house}_data"


def _fitting(name: str) -> str:
    raw = name.encode()
    if len(raw) <= LONGEST:
        return name
    return f"{raw[:_KEPT].decode(errors='ignore')}~{hashlib.sha256(raw).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What the comment of a grant's role says: which house and grant it is of, which generation, until when."""

    house: str
    key: str
    generation: int
    not_after: datetime

    def text(self) -> str:
        """Return the comment; `read_mark` reads it back."""
        end = format_time(self.not_after)
        return f"{mark_start(self.house)}{self.key} generation={self.generation} not_after={end}"


def mark_start(house: str) -> str:
    """Return how every mark of this house begins."""
    return f"quartermaster {house} key="


def read_mark(comment: str | None) -> Mark | None:
    """Return the mark that a comment is, None when it is anything else."""
    found = _MARK.fullmatch(comment or "")
    if found is None:
        return None
    try:
        end = parse_time(found[4])
    except MalformedError:
        return None
    return Mark(house=found[1], key=found[2], generation=int(found[3]), not_after=end)
