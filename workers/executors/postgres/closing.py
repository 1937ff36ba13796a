"""Functions in the database that take away what the executor did not give, and can do nothing else.

The executor is no superuser and owns no table, so that it cannot revoke what others granted. `prepare` makes these for
it: they run with the rights of the administrator who prepared the database, take names and never SQL, refuse whatever
is not watched, and give nothing to anybody. Nobody else may call them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, LiteralString

from psycopg import sql

from workers.executors.postgres import names
from workers.executors.postgres.settings import PostgresSettings
from workers.executors.postgres.watched import product_roles, relations, watched_roles

_TAKE_RIGHT: Final = """
DECLARE
    place regclass := (SELECT found.id FROM ({relations} SELECT r.oid AS id, r.schema, r.name FROM relation r) AS found
                       WHERE found.schema = $1 AND found.name = $2);
    whom text := CASE WHEN $6 = 'PUBLIC' THEN 'PUBLIC' ELSE format('%I', $6) END;
    whose oid := coalesce((SELECT oid FROM pg_roles WHERE rolname = $6), 0);
    kept text[] := ARRAY(SELECT format('GRANT %s (%I) ON %s TO %s', $4, t.attname, place, whom)
        FROM pg_attribute t CROSS JOIN LATERAL aclexplode(t.attacl) a
        WHERE $3 = '' AND t.attrelid = place AND a.grantee = whose AND a.privilege_type = $4);
    again text;
BEGIN
    IF place IS NULL OR $4 NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER',
                                   'MAINTAIN') THEN
        RAISE insufficient_privilege;
    END IF;
    EXECUTE format('REVOKE %s %s %s ON %s FROM %s CASCADE', CASE WHEN $5 THEN 'GRANT OPTION FOR' END, $4,
                   CASE WHEN $3 <> '' THEN format('(%I)', $3) END, place, whom);
    -- A right taken from a whole table goes from its columns too: those that were given apart stay.
    FOREACH again IN ARRAY kept LOOP
        EXECUTE again;
    END LOOP;
END
"""
_TAKE_MEMBERSHIP: Final = """
DECLARE
    given record;
BEGIN
    IF $1 <> ALL ({roles}::text[]) AND NOT EXISTS (
        {relations} SELECT FROM relation r JOIN pg_roles o ON o.oid = r.relowner WHERE o.rolname = $1) THEN
        RAISE insufficient_privilege;
    END IF;
    FOR given IN SELECT by.rolname AS name, a.admin_option AS administers FROM pg_auth_members a
        JOIN pg_roles by ON by.oid = a.grantor
        WHERE a.roleid = to_regrole(format('%I', $1)) AND a.member = to_regrole(format('%I', $2))
    LOOP
        -- The executor hands product roles out: of those it loses only that it may use them itself.
        IF $2 = {executor} AND $1 = ANY ({products}::text[]) AND given.administers THEN
            EXECUTE format('REVOKE INHERIT OPTION FOR %I FROM %I GRANTED BY %I CASCADE', $1, $2, given.name);
            EXECUTE format('REVOKE SET OPTION FOR %I FROM %I GRANTED BY %I CASCADE', $1, $2, given.name);
        ELSE
            EXECUTE format('REVOKE %I FROM %I GRANTED BY %I CASCADE', $1, $2, given.name);
        END IF;
    END LOOP;
END
"""
_STRANGE: Final = """IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $1 AND rolname ~ {} AND NOT rolsuper) THEN
        RAISE insufficient_privilege;
    END IF;"""
_LOCK_ROLE: Final = """
DECLARE
    given record;
BEGIN
    {strange}
    EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', $1);
    FOR given IN SELECT g.rolname AS role, by.rolname AS name FROM pg_auth_members a
        JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles by ON by.oid = a.grantor
        WHERE a.member = to_regrole(format('%I', $1))
    LOOP
        EXECUTE format('REVOKE %I FROM %I GRANTED BY %I CASCADE', given.role, $1, given.name);
    END LOOP;
END
"""
_DROP_ROLE: Final = """
BEGIN
    {strange}
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1;
    -- The order matters: DROP OWNED first would drop what it made.
    EXECUTE format('REASSIGN OWNED BY %I TO %I', $1, {estate});
    EXECUTE format('DROP OWNED BY %I', $1);
    EXECUTE format('DROP ROLE %I', $1);
END
"""
_TAKE_MARK: Final = """
BEGIN
    IF starts_with(shobj_description(to_regrole(format('%I', $1)), 'pg_authid'), {mark}) IS NOT TRUE THEN
        RAISE insufficient_privilege;
    END IF;
    EXECUTE format('COMMENT ON ROLE %I IS NULL', $1);
END
"""
_GIVE_BACK: Final = """
DECLARE
    place record;
BEGIN
    {relations} SELECT r.oid::regclass AS name, r.meant::regrole AS meant INTO place FROM relation r
    WHERE r.schema = $1 AND r.name = $2;
    IF place.meant IS NULL THEN
        RAISE insufficient_privilege;
    END IF;
    EXECUTE format('ALTER TABLE %s OWNER TO %s', place.name, place.meant);
END
"""
_FUNCTIONS: Final[tuple[tuple[LiteralString, LiteralString, LiteralString], ...]] = (
    ("take_right", "text, text, text, text, boolean, text", _TAKE_RIGHT),
    ("take_membership", "text, text", _TAKE_MEMBERSHIP),
    ("lock_role", "text", _LOCK_ROLE),
    ("drop_role", "text", _DROP_ROLE),
    ("take_mark", "text", _TAKE_MARK),
    ("give_back", "text, text", _GIVE_BACK),
)


def functions(settings: PostgresSettings) -> Iterator[sql.Composed]:
    """Yield the statements that make the functions, for the executor alone."""
    house = settings.house
    words = {
        "relations": relations(settings),
        "roles": sql.Literal(sorted(watched_roles(settings))),
        "products": sql.Literal(sorted(product_roles(settings))),
        "executor": sql.Literal(settings.executor),
        "estate": sql.Literal(names.estate_role(house)),
        "strange": sql.SQL(_STRANGE).format(sql.Literal(names.grant_pattern(house))),
        "mark": sql.Literal(names.mark_start(house)),
    }
    for name, takes, body in _FUNCTIONS:
        called, signature = sql.Identifier(names.lease_schema(house), name), sql.SQL(takes)
        yield sql.SQL(
            "CREATE OR REPLACE FUNCTION {}({}) RETURNS void LANGUAGE plpgsql SECURITY DEFINER"
            " SET search_path = pg_catalog, pg_temp AS {}"
        ).format(called, signature, sql.Literal(sql.SQL(body).format(**words).as_string()))
        yield sql.SQL("REVOKE ALL ON FUNCTION {}({}) FROM PUBLIC").format(called, signature)
        yield sql.SQL("GRANT EXECUTE ON FUNCTION {}({}) TO {}").format(
            called, signature, sql.Identifier(settings.executor)
        )
