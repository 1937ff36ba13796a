"""Each kind of mistake is found, named and cured; the shipped rules have none."""

from __future__ import annotations

import re

import pytest
from conftest import RULES
from typer.testing import CliRunner

from policies.cli import app
from policies.files import read_files
from policies.lint import Level, lint, lint_files

FILES = read_files(RULES)
SHIPPED = FILES["policy.csv"]
RUN = CliRunner()


def look(text):
    return lint_files({**FILES, "policy.csv": text})


def more(*rows):
    """The shipped rules with rows at their end."""
    return SHIPPED + "\n".join(rows) + "\n"


def of(found, row):
    return [finding for finding in found if finding.row == row and finding.level is not Level.NOTE]


def test_the_shipped_rules_lint_clean():
    assert [str(finding) for finding in lint(RULES) if finding.level is not Level.NOTE] == []


def test_a_finding_is_one_line_with_place_rule_and_cure():
    (finding,) = of(look(more("p, x, role:dpo, *, class:data, read, -, deny")), "x")
    line = SHIPPED.count("\n") + 1
    assert str(finding) == (
        f"policy.csv:{line} x: it forbids nothing to whoever lacks the link to role:dpo. "
        "Write * as its subject, and say whom it is about by a fact."
    )


ERRORS = [
    pytest.param("p, x, role:dpo, *, class:data, read, -, deny", "lacks the link", id="deny that needs a role"),
    pytest.param("p3, x, role:dpo, *, class:any, *, -, deny, *", "lacks the link", id="deny of a vote that needs one"),
    pytest.param("p, x, role:dpo, *, class:data, use, -, allow", "use cannot be done to class:data", id="action"),
    pytest.param("p, x, role:dpo, *, class:gpu, use, gpus<=2 gpus>=3, allow", "can never hold", id="contradiction"),
    pytest.param("p2, x, *, *, class:gpu, use, held_gpus<=2, allow, auto", "bound on open_requests", id="auto, open"),
    pytest.param("p2, x, *, *, class:gpu, use, open_requests<=2, allow, auto", "bound on held_gpus", id="auto, held"),
    pytest.param("p2, x, *, *, class:data, read, open_requests>=2, allow, auto", "bound on open", id="bound below"),
    pytest.param("p2, x, *, *, class:data, write, -, allow, budget:1", "could fill budget:1 of team:", id="nobody"),
    pytest.param("p2, x, *, *, class:gpu, use, -, allow, owner-lead:2", "too few people", id="too few"),
    pytest.param(
        "p2, x, *, *, class:data, read, -, allow, owner-lead:1 peer:3", "too few people", id="not enough each"
    ),
    pytest.param(
        "p2, x, user:U02INES, *, gpu:a100-shared, use, -, allow, owner-lead:1", "only those who ask", id="own"
    ),
    pytest.param("q, x", "unknown row type", id="a fault of reading"),
]
WARNINGS = [
    pytest.param("p, x, role:lead, *, class:gpu/shared, use, gpus<=8, allow", None, id="nothing wrong"),
    pytest.param(
        "p, x, role:engineer, *, class:gpu/shared, use, gpus<=7 hours<=72 cost<=1, allow",
        "ask-gpu-eng",
        id="a narrower limit",
    ),
    pytest.param(
        "p, x, role:lead, *, class:gpu/shared, use, gpus<=8 hours<=72 cost<=9, allow",
        "ask-gpu-eng",
        id="a role that inherits",
    ),
    pytest.param(
        "p, x, role:lead, team:vision, gpu:h100-shared, use, gpus==8 hours<4 cost<=9, allow",
        "already says this",
        id="a narrower team and resource",
    ),
    pytest.param(
        "p, x, role:engineer, *, env:production, deploy, change_window_closed==1 breakglass==0, allow",
        "forbids all",
        id="all forbidden",
    ),
    pytest.param("p2, x, *, *, class:gpu, use, gpus>4, allow, owner-lead:1", "need-gpu", id="seats said already"),
    pytest.param(
        "p2, x, *, *, class:data, read, level>=3 open_requests<=1, allow, auto",
        "needs people",
        id="auto that never counts",
    ),
    pytest.param("p3, x, role:lead, team:vision, class:gpu, use, -, allow, owner-lead", "vote-lead", id="a vote"),
    pytest.param("p, x, role:dpo, team:visoin, class:gpu, use, -, allow", "Did you mean team:vision", id="team"),
    pytest.param("p, x, svc:worker, *, class:gpu, revoke, -, allow", "programs never ask", id="program"),
]


@pytest.mark.parametrize(("row", "wrong"), ERRORS)
def test_an_error_is_found_at_its_row(row, wrong):
    found = [f for f in look(more(row)) if f.level is Level.ERROR]
    assert found, "nothing was found"
    assert {f.line for f in found} == {SHIPPED.count("\n") + 1}
    assert any(wrong in f.wrong for f in found), [str(f) for f in found]


@pytest.mark.parametrize(("row", "wrong"), WARNINGS)
def test_a_warning_is_found_at_its_row(row, wrong):
    found = of(look(more(row)), "x")
    assert {f.level for f in found} == ({Level.WARNING} if wrong else set())
    assert wrong is None or any(wrong in str(f) for f in found), [str(f) for f in found]


def test_of_two_rows_that_say_the_same_the_second_is_too_many():
    row = "p, {}, role:dpo, *, class:gpu, use, gpus<=2, allow"
    found = look(more(row.format("one"), row.format("two")))
    assert of(found, "one") == []
    assert "one (line" in str(of(found, "two")[0])


def without(name):
    return "\n".join(line for line in SHIPPED.split("\n") if f" {name}," not in line)


def test_a_missing_no_self_row_is_an_error_and_names_who_could_approve_their_own():
    found = [finding for finding in look(without("no-self")) if finding.level is Level.ERROR]
    assert {"no-self", "vote-lead", "vote-peer"} <= {finding.row for finding in found}
    assert "role:lead can approve its own asks of" in str(next(f for f in found if f.row == "vote-lead"))
    assert "vote-dpo" not in {finding.row for finding in found}, "a data protection officer asks for nothing"


@pytest.mark.parametrize(
    "narrow",
    [
        "p3, no-self, *, *, class:gpu, *, self==1, deny, *",
        "p3, no-self, *, *, class:any, use, self==1, deny, *",
        "p3, no-self, *, team:vision, class:any, *, self==1, deny, *",
        "p3, no-self, *, *, class:any, *, self==1, deny, owner-lead",
        "p3, no-self, *, *, class:any, *, self==1 gpus<=2, deny, *",
    ],
)
def test_a_narrow_no_self_row_is_not_enough(narrow):
    found = look(without("no-self") + narrow + "\n")
    assert any(f.row == "no-self" and f.level is Level.ERROR for f in found)


def test_a_narrow_no_self_row_is_enough_where_it_reaches():
    row = "p3, own-lead, *, *, class:any, *, self==1, deny, owner-lead\n"
    rows = {finding.row for finding in look(without("no-self") + row) if finding.level is Level.ERROR}
    assert "vote-peer" in rows
    assert "vote-lead" not in rows


def test_an_owner_without_a_lead_is_found_though_no_row_speaks_of_it():
    text = SHIPPED.replace("g, user:U03TOMAS, role:lead,     team:vision\n", "")
    assert any("owner-lead:1 of team:vision" in f.wrong for f in of(look(text), "default-seat"))


def test_a_lead_who_is_alone_is_a_note():
    notes = [finding for finding in lint(RULES) if finding.level is Level.NOTE]
    assert any("user:U02INES's own requests" in finding.wrong for finding in notes)
    second = [f for f in look(more("g, user:U10, role:lead, team:platform")) if f.level is Level.NOTE]
    assert not [finding for finding in second if "owner-lead:1 of team:platform" in finding.wrong]


def test_a_bucket_over_fifty_rows_is_found():
    row = "p, w{0}, role:dpo, team:vision, class:gpu, use, gpus=={0}, allow"
    fits, over = [[row.format(n) for n in range(1, count + 1)] for count in (47, 48)]
    assert not [f for f in look(more(*fits)) if "can match one request" in f.wrong]
    (found,) = [f for f in look(more(*over)) if "can match one request" in f.wrong]
    assert found.wrong == "51 rows can match one request, use on class:gpu in team:vision"


def test_rows_that_cannot_be_read_come_alone_and_all_of_them():
    found = look(more("q, x", "p, y", "p, z, role:dpo, *, class:data, read, -, deny"))
    assert [finding.row for finding in found] == ["q", "y"]


# -- the commands -----------------------------------------------------------------------------------------------


def test_the_command_exits_with_zero_for_the_shipped_rules():
    done = RUN.invoke(app, ["lint", str(RULES)])
    assert (done.exit_code, done.output.split(";")[0]) == (0, "No errors, no warnings")


def test_the_command_exits_with_one_for_an_error_and_prints_it_on_one_line(rules):
    (rules / "policy.csv").write_text(more("p, x, role:dpo, *, class:data, read, -, deny"))
    done = RUN.invoke(app, ["lint", str(rules)], env={"COLUMNS": "80"})
    assert done.exit_code == 1
    assert done.output.splitlines()[0].endswith("say whom it is about by a fact.")
    assert "1 error, 0 warnings" in done.output


def test_the_command_exits_with_zero_for_a_warning(rules):
    (rules / "policy.csv").write_text(more("p, x, svc:worker, *, class:gpu, revoke, -, allow"))
    done = RUN.invoke(app, ["lint", str(rules)])
    assert done.exit_code == 0
    assert "0 errors, 1 warning" in done.output


def test_notes_are_shown_when_asked_for():
    assert "own requests" in RUN.invoke(app, ["lint", str(RULES), "--notes"]).output
    assert "own requests" not in RUN.invoke(app, ["lint", str(RULES)]).output


def test_the_test_command_tells_cases_edges_and_mistakes():
    done = RUN.invoke(app, ["test", str(RULES)], env={"COLUMNS": "80"})
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.output.splitlines()] == ["cases", "edges", "mistakes", "policy"]
    assert re.search(r"^mistakes +(\d+) of \1 ", done.output, re.MULTILINE)


def test_the_test_command_fails_on_a_case_decided_otherwise(rules):
    path = rules / "policy.csv"
    path.write_text(path.read_text().replace("gpus<=8 hours<=72", "gpus<=9 hours<=72"))
    done = RUN.invoke(app, ["test", str(rules)], env={"COLUMNS": "80"})
    assert done.exit_code == 1
    assert "cases.csv: decided otherwise" in done.output
    assert "not tried: the cases must pass first" in done.output


def test_the_test_command_fails_on_a_mistake_that_no_case_notices(rules):
    path = rules / "cases.csv"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "no-service" not in line))
    done = RUN.invoke(app, ["test", str(rules)], env={"COLUMNS": "80"})
    assert done.exit_code == 1
    assert "no-service: dropped, and no case notices. Add one." in done.output
    assert RUN.invoke(app, ["test", str(rules), "--no-mutants"]).exit_code == 0


def test_every_command_shows_an_example():
    for command in ("test", "lint", "adopt"):
        assert f"quartermaster policy {command}" in " ".join(RUN.invoke(app, [command, "--help"]).output.split())
