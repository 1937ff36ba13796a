"""Side doors: access that no grant of ours explains, and grants that are not as granted. One test a door."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from psycopg import sql
from services.postgres import postgres_server  # noqa: F401 - a fixture
from services.postgres_site import Site, grant_of, later, prepared_site  # noqa: F401 - a fixture

from ledger.log.canonical import format_time
from ledger.nouns import Access
from workers.executors.postgres import PostgresExecutor, Product
from workers.executors.postgres.doors import DIRECT, MEMBER, STRANGE

pytestmark = pytest.mark.services


def stranger(site, options="LOGIN"):
    name = f"mallory{site.house}"
    site.admin_sql("CREATE ROLE {} " + options, name)
    return name


def granted(site, *arguments, **rest):
    grant = grant_of(*arguments, **rest)
    site.executor.ensure(grant)
    assert site.wrong() == []
    return grant, site.role(grant)


def only_wrong(site):
    (found,) = site.wrong()
    return found


def test_a_prepared_database_without_grants_has_no_holdings(site):
    assert site.executor.holdings() == ()


def test_grants_as_granted_are_listed_with_their_key_and_nothing_wrong(site):
    whole, _ = granted(site)
    some, _ = granted(site, Access.WRITE, ("amount", "region"), request=1043)
    site.password_for(whole)
    assert [(h.key, h.who, h.what, h.until, h.wrong) for h in site.executor.holdings()] == [
        (whole.key, site.role(whole), "read claims", whole.not_after, ""),
        (some.key, site.role(some), "write claims (amount, region)", some.not_after, ""),
    ]


def test_the_words_of_a_grant_stay_while_its_end_moves(site):
    grant, _ = granted(site)
    before = site.executor.holdings()[0]
    site.executor.ensure(later(grant, 2, seconds=9000))
    after = site.executor.holdings()[0]
    assert (after.key, after.who, after.what) == (before.key, before.who, before.what)
    assert after.until > before.until


def test_everyone_may_read_the_table(site):
    site.admin_sql("GRANT SELECT ON claims TO PUBLIC")
    assert only_wrong(site) == ("PUBLIC", "SELECT on public.claims", DIRECT)


def test_everyone_may_read_the_view(site):
    site.admin_sql("GRANT SELECT ON {}.claims TO PUBLIC", f"{site.house}_data")
    assert only_wrong(site) == ("PUBLIC", f"SELECT on {site.view}", DIRECT)


def test_a_person_was_given_the_table_directly(site):
    name = stranger(site)
    site.admin_sql("GRANT SELECT, UPDATE ON claims TO {}", name)
    assert only_wrong(site) == (name, "SELECT, UPDATE on public.claims", DIRECT)


def test_a_person_was_given_a_column_of_the_table(site):
    name = stranger(site)
    site.admin_sql("GRANT SELECT (amount, region) ON claims TO {}", name)
    assert only_wrong(site) == (name, "SELECT (amount), SELECT (region) on public.claims", DIRECT)


def test_a_person_became_a_member_of_a_product(site):
    name = stranger(site)
    site.admin_sql("GRANT {} TO {}", f"{site.house}:claims:read", name)
    assert only_wrong(site) == (name, f"member of {site.house}:claims:read", MEMBER)


def test_a_person_became_a_member_of_a_column(site):
    name = stranger(site)
    site.admin_sql("GRANT {} TO {}", f"{site.house}:claims:write:amount", name)
    assert only_wrong(site) == (name, f"member of {site.house}:claims:write:amount", MEMBER)


@pytest.mark.parametrize("role", ["keeper", "executor", "pg_read_all_data", "pg_write_all_data"])
def test_a_person_became_a_member_of_a_role_with_power_over_the_data(site, role):
    name = stranger(site)
    role = {"keeper": f"{site.house}:keeper", "executor": site.executor_role}.get(role, role)
    site.admin_sql("GRANT {} TO {}", role, name)
    try:
        assert only_wrong(site) == (name, f"member of {role}", MEMBER)
    finally:
        site.admin_sql("DROP ROLE {}", name)


def test_a_person_became_a_member_of_the_tables_owner(site):
    name, owner = stranger(site), f"owner{site.house}"
    site.admin_sql("CREATE ROLE {}", owner)
    site.admin_sql("ALTER TABLE claims OWNER TO {}", owner)
    site.admin_sql("GRANT {} TO {}", owner, name)
    assert only_wrong(site) == (name, f"member of {owner}", MEMBER)


def test_the_executor_made_itself_a_reader(site):
    site.admin_sql("GRANT {} TO {} WITH INHERIT TRUE", f"{site.house}:claims:read", site.executor_role)
    assert only_wrong(site) == (site.executor_role, f"member of {site.house}:claims:read", MEMBER)


def test_a_product_role_was_given_a_column_more(site):
    role = f"{site.house}:claims:read:amount"
    site.admin_sql("GRANT SELECT (region) ON {}.claims TO {}", f"{site.house}_data", role)
    assert only_wrong(site) == (role, f"SELECT (region) on {site.view}", DIRECT)


def test_a_right_may_be_handed_on(site):
    role = f"{site.house}:claims:read"
    site.admin_sql("GRANT SELECT ON {}.claims TO {} WITH GRANT OPTION", f"{site.house}_data", role)
    assert only_wrong(site) == (role, f"SELECT on {site.view}", DIRECT)


def test_somebody_else_may_write_leases(site):
    name = stranger(site)
    site.admin_sql("GRANT UPDATE ON {}.lease TO {}", site.house, name)
    assert only_wrong(site) == (name, f"UPDATE on {site.house}.lease", DIRECT)


def test_another_view_shows_the_table_to_somebody(site):
    name = stranger(site)
    site.admin_sql("CREATE VIEW leak AS SELECT amount FROM claims")
    site.admin_sql("CREATE VIEW drip AS SELECT amount FROM leak")
    site.admin_sql("GRANT SELECT ON drip TO {}", name)
    assert only_wrong(site) == (name, "SELECT on public.drip", DIRECT)


def test_a_partition_is_a_way_to_the_table(site):
    name = stranger(site)
    site.admin_sql("CREATE TABLE part () INHERITS (claims)")
    site.admin_sql("GRANT SELECT ON part TO {}", name)
    assert only_wrong(site) == (name, "SELECT on public.part", DIRECT)


def test_a_role_named_like_a_grant_is_reported(site):
    name = f"{site.house}_7_0badc0de"
    site.admin_sql("CREATE ROLE {} LOGIN", name)
    site.admin_sql("GRANT {} TO {}", f"{site.house}:claims:read", name)
    assert only_wrong(site) == (name, f"member of {site.house}:claims:read", STRANGE)


def test_a_copy_of_a_grants_mark_is_not_the_grant(site):
    grant, role = granted(site)
    name = f"{site.house}_7_0badc0de"
    site.admin_sql("CREATE ROLE {} LOGIN", name)
    (mark,) = site.admin_sql(f"SELECT shobj_description('{role}'::regrole, 'pg_authid')")[0]
    site.admin_sql("COMMENT ON ROLE {} IS " + sql.Literal(mark).as_string(), name)
    assert site.wrong() == [(name, "member of nothing", STRANGE)]
    assert grant.key in {h.key for h in site.executor.holdings()}


def test_a_login_that_outlives_its_grant_is_wrong(site):
    grant, role = granted(site)
    for end in ("infinity", format_time(grant.not_after + timedelta(seconds=1))):
        site.admin_sql(f"ALTER ROLE {{}} VALID UNTIL '{end}'", role)
        assert only_wrong(site)[::2] == (role, "Its login is valid beyond the end.")


def test_a_lease_that_was_made_longer_is_wrong(site):
    _, role = granted(site)
    site.admin_sql("UPDATE {}.lease SET not_after = not_after + interval '1 day'", site.house)
    assert only_wrong(site)[::2] == (role, "Its comment does not say what its lease says.")


def test_a_mark_that_was_changed_is_wrong(site):
    grant, role = granted(site)
    end = format_time(grant.not_after)
    mark = f"quartermaster {site.house} key={grant.key} generation=2 not_after={end}"
    site.admin_sql("COMMENT ON ROLE {} IS " + sql.Literal(mark).as_string(), role)
    assert only_wrong(site)[::2] == (role, "Its comment does not say what its lease says.")


@pytest.mark.parametrize("limit", [-1, 3])
def test_more_sessions_than_allowed_are_wrong(site, limit):
    _, role = granted(site)
    site.admin_sql(f"ALTER ROLE {{}} CONNECTION LIMIT {limit}", role)
    assert only_wrong(site)[::2] == (role, "It may have more sessions than are allowed.")


@pytest.mark.parametrize("power", ["SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"])
def test_an_attribute_of_power_is_wrong(site, power):
    _, role = granted(site)
    site.admin_sql(f"ALTER ROLE {{}} {power}", role)
    assert only_wrong(site)[::2] == (role, "It has an attribute that no grant gives.")


def test_a_login_without_a_password_of_ours_is_wrong(site):
    _, role = granted(site)
    site.admin_sql("ALTER ROLE {} LOGIN PASSWORD 'mine'", role)
    assert only_wrong(site)[::2] == (role, "It can log in and no password was shown.")


def test_a_membership_more_is_wrong(site):
    _, role = granted(site)
    site.admin_sql("GRANT {} TO {} WITH INHERIT TRUE, SET FALSE", f"{site.house}:claims:write", role)
    assert only_wrong(site)[::2] == (role, f"It is also a member of {site.house}:claims:write.")


def test_a_membership_less_is_wrong(site):
    _, role = granted(site)
    site.admin_sql("REVOKE {} FROM {} GRANTED BY {}", f"{site.house}:claims:read", role, site.executor_role)
    assert only_wrong(site)[::2] == (role, f"It is not a member of {site.house}:claims:read.")


def test_a_membership_that_can_be_assumed_is_wrong(site):
    _, role = granted(site)
    product = f"{site.house}:claims:read"
    site.admin_sql("GRANT {} TO {} WITH SET TRUE GRANTED BY {}", product, role, site.executor_role)
    assert only_wrong(site)[::2] == (role, "A membership can be assumed or handed on.")


def test_a_grant_that_was_handed_on_is_wrong(site):
    _, role = granted(site)
    name = stranger(site)
    site.admin_sql("GRANT {} TO {} WITH INHERIT TRUE, SET FALSE", role, name)
    assert only_wrong(site)[::2] == (role, f"It was handed on to {name}.")


def test_a_direct_right_of_a_grants_role_is_a_side_door(site):
    _, role = granted(site, Access.READ, ("amount",))
    site.admin_sql("GRANT SELECT (region) ON {}.claims TO {}", f"{site.house}_data", role)
    assert only_wrong(site) == (role, f"SELECT (region) on {site.view}", DIRECT)


def test_a_grant_past_its_end_is_wrong_until_it_is_taken_back(site):
    grant, _ = granted(site)
    tomorrow = PostgresExecutor(site.settings, clock=lambda: grant.not_after + timedelta(days=1))
    assert [(h.key, h.wrong) for h in tomorrow.holdings()] == [(grant.key, "Its end has passed.")]
    site.executor.revoke(grant)
    assert tomorrow.holdings() == ()


def test_a_role_that_came_back_after_its_end_is_wrong(site):
    grant, role = granted(site)
    (mark,) = site.admin_sql(f"SELECT shobj_description('{role}'::regrole, 'pg_authid')")[0]
    site.executor.revoke(grant)
    site.admin_sql("CREATE ROLE {}", role)
    site.admin_sql("COMMENT ON ROLE {} IS " + sql.Literal(mark).as_string(), role)
    assert only_wrong(site)[::2] == (role, STRANGE)


def test_a_revoke_that_stopped_half_way_is_wrong(site):
    from workers.executors.postgres.ending import shut
    from workers.executors.postgres.session import opened

    grant, role = granted(site)
    with opened(site.settings) as session:
        shut(session, site.house, site.executor_role, grant)
    assert only_wrong(site)[::2] == (role, "It was taken back and its role is still there.")


def test_an_account_that_lost_its_grant_is_wrong(postgres):
    person = "user:" + "b" * 32
    site = Site(postgres, accounts={person: "grace"})
    site.account("grace")
    _, role = granted(site, subject=person)
    site.admin_sql("REVOKE {} FROM grace GRANTED BY {}", role, site.executor_role)
    assert only_wrong(site)[::2] == ("grace", "It is not with grace.")


def test_roles_that_the_settings_know_are_no_side_door(site):
    name = stranger(site)
    site.admin_sql("GRANT SELECT ON claims TO {}", name)
    site.admin_sql("GRANT {} TO {}", f"{site.house}:claims:read", name)
    known = PostgresExecutor(replace(site.settings, known=frozenset({name})))
    assert known.holdings() == ()


def test_a_table_of_another_schema_is_watched_by_its_full_name(site):
    site.admin_sql("CREATE SCHEMA other")
    site.admin_sql("CREATE TABLE other.claims (claim_id int)")
    site.admin_sql("GRANT SELECT ON other.claims TO PUBLIC")
    assert site.executor.holdings() == ()
    product = Product(name="others", schema="other", table="claims", columns=("claim_id",))
    watching = PostgresExecutor(replace(site.settings, products=(product,)))
    assert [(h.who, h.what) for h in watching.holdings()] == [("PUBLIC", "SELECT on other.claims")]
