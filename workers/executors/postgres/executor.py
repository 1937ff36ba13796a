"""The executor of data grants on PostgreSQL: a role for each grant, and the database itself keeps the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from psycopg import sql

from ledger.book import utc_now
from ledger.nouns import DataForm, Enforcement, Grant, Receipt
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Holding, Observation
from workers.executors.postgres import ending, names
from workers.executors.postgres.leases import Lease, grant_of, note_verifier, read_lease, write_lease
from workers.executors.postgres.roles import find_role, give_exactly, make_role, read_role, wanted_roles
from workers.executors.postgres.session import Session, fault, opened
from workers.executors.postgres.settings import PostgresSettings, Product
from workers.executors.postgres.survey import survey
from workers.executors.postgres.taking import close_doors, doors_of, refuse_open, refuse_untouchable
from workers.scram import read_verifier


class PostgresExecutor:
    """Grants on the data sets of one database. Every call logs in anew, so that a restart of the server costs nothing.

    Where people have accounts of their own it declares `enforced`: an account with two grants on one data set is
    ended by the database at the later of their ends, and by us at the earlier. A login of its own is `self-ending`.

    Args:
        name: what the ledger calls it, one name for each database.
        clock: now, to refuse what is already over; the database's own clock must agree that it is not.
    """

    simulated = False

    def __init__(
        self, settings: PostgresSettings, *, name: str = "postgres", clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.name = name
        self._settings = settings
        self._house = settings.house
        self._clock = clock
        self.enforcement = Enforcement.ENFORCED if settings.accounts else Enforcement.SELF_ENDING

    def fault(self) -> str:
        """Return which setting keeps the executor out of the database; looked at anew each time."""
        return fault(self._settings)

    def ensure(self, grant: Grant) -> Receipt:
        """Make role, memberships and lease true in one transaction: a crash leaves all of it or nothing."""
        if grant.not_after is None or self._clock() >= grant.not_after:
            raise StaleGrantError(grant.key)
        product = self._product(grant)
        account = self._settings.accounts.get(grant.subject)
        with self._alone(grant) as session, session.transaction():
            self._refuse_stale(session, grant)
            _check_account(session, account)
            who = self._make(session, grant, product, account)
            address = f"host={session.info.host} port={session.info.port} dbname={session.info.dbname}"
        return self._receipt(product, who, address, own=account is not None)

    def observe(self, grant: Grant) -> Observation:
        """Return whether a role, a membership, a session or a statement of the grant is there."""
        try:
            with opened(self._settings) as session:
                return Observation.HELD if ending.left_of(session, self._house, grant) else Observation.GONE
        except BackendError:
            return Observation.UNKNOWN

    def revoke(self, grant: Grant) -> None:
        """Shut, terminate, erase, then look; whichever step fails, those before it hold and the next call goes on."""
        with self._alone(grant) as session:
            role = ending.shut(session, self._house, self._settings.executor, grant)
            if role is not None:
                ending.terminate(session, role)
                ending.erase(session, self._house, role)

    def set_verifier(self, grant: Grant, verifier: str) -> None:
        """Let the holder of the secret behind `verifier` log in; another verifier replaces it and ends old sessions.

        Args:
            verifier: as `scram.Verifier.text` writes it. Never the secret: what is no verifier does not leave here.

        Raises:
            StaleGrantError: the grant is not the generation that stands, or is over.
            BackendError: not a verifier, an account of the person's own, or the database refused.
        """
        try:
            read_verifier(verifier)
        except ValueError:
            raise BackendError(
                "what was handed over is not a SCRAM-SHA-256 verifier; show the password again"
            ) from None
        if grant.not_after is None or self._clock() >= grant.not_after:
            raise StaleGrantError(grant.key)
        digest = hashlib.sha256(verifier.encode()).hexdigest()
        with self._alone(grant) as session:
            lease = self._refuse_stale(session, grant)
            role = find_role(session, self._house, grant)
            if lease is None or role is None or lease.generation != grant.generation:
                raise StaleGrantError(grant.key)
            if lease.own_account:
                raise BackendError("this grant goes to an account of the person's own; its password is theirs")
            if lease.verifier == digest and role.login:
                return
            with session.transaction():
                session.execute(
                    sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role.name), sql.Literal(verifier))
                )
                note_verifier(session, self._house, grant.key, digest)
            if lease.verifier:
                ending.end_old_sessions(session, self._settings.executor, role)

    def holdings(self) -> tuple[Holding, ...]:
        """Return every grant that stands and every access to the data sets that no grant explains."""
        with opened(self._settings) as session:
            return survey(session, self._settings, self._clock()).holdings

    def take_away(self, holding: Holding) -> None:
        """Take away one access: a grant's as `revoke` does, another through what `prepare` made for that.

        Raises:
            BackendError: it is a superuser's or the database owner's, or whoever gave it must take it back.
        """
        with opened(self._settings) as session:
            refuse_untouchable(session, holding)
            seen = survey(session, self._settings, self._clock())
            doors = doors_of(seen, holding)
            close_doors(session, self._house, doors)
            refuse_open(doors, survey(session, self._settings, self._clock()))
            lease = read_lease(session, self._house, holding.key) if holding.key is not None else None
        if lease is not None:
            self.revoke(grant_of(lease))

    @contextmanager
    def _alone(self, grant: Grant) -> Iterator[Session]:
        """One session that no other touches this key beside; the lock ends with the session, however that ends."""
        with opened(self._settings) as session:
            session.execute("SELECT pg_advisory_lock(%s)", [int(grant.key[:16], 16) - 2**63])
            yield session

    def _refuse_stale(self, session: Session, grant: Grant) -> Lease | None:
        """Raise StaleGrantError for what is older than seen, ended, or over by the database's clock."""
        lease = read_lease(session, self._house, grant.key)
        role = find_role(session, self._house, grant)
        seen = ending.generation_of(lease, role)
        ended = lease is not None and lease.ended and lease.generation >= grant.generation
        over = session.execute("SELECT clock_timestamp() >= %s", [grant.not_after]).fetchone()
        if seen > grant.generation or ended or (over and over[0]):
            raise StaleGrantError(grant.key)
        return lease

    def _make(self, session: Session, grant: Grant, product: Product, account: str | None) -> str:
        """Make everything of the grant; return the login that the rows are shown to."""
        form = grant.form
        assert isinstance(form, DataForm)
        wanted = wanted_roles(self._settings, product, form)
        role = make_role(session, self._settings, grant, find_role(session, self._house, grant))
        if account is not None:
            session.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(role.name)))
        give_exactly(session, self._settings, role.name, wanted, {account} if account else set())
        who = account or role.name
        write_lease(session, self._house, grant, role_id=role.id, who=who, own=account is not None)
        return who

    def _product(self, grant: Grant) -> Product:
        name = grant.form.resource.partition(":")[2]
        product = self._settings.product(name)
        if product is None or not isinstance(grant.form, DataForm):
            raise BackendError(f"this database has no data set {name}; name it in the catalogue and run prepare")
        return product

    def _receipt(self, product: Product, who: str, address: str, *, own: bool) -> Receipt:
        where = f"{names.view_schema(self._house)}.{product.name}"
        whose = "your own account" if own else "the login of this grant"
        note = f'Use {where} with {whose}: psql "{address} user={who}"'
        enforcement = Enforcement.ENFORCED if own else Enforcement.SELF_ENDING
        return Receipt(executor=self.name, enforcement=enforcement, note=note)


def _check_account(session: Session, account: str | None) -> None:
    """Refuse an account that is not there, or that nothing could be taken back from."""
    if account is None:
        return
    role = read_role(session, account)
    if role is None:
        raise BackendError(f"the database has no role {account}; mend the mapping of accounts")
    row = session.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [account]).fetchone()
    if row is None or row[0]:
        raise BackendError(f"{account} is a superuser: nothing could be taken back; use another account")
