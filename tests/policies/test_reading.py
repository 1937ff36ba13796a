"""policy.csv is read strictly: what Casbin's own loader swallows is a fault here, with its line and what to do."""

from __future__ import annotations

import pytest
from conftest import RULES

from policies.catalogue import load_catalogue
from policies.decide import Policy
from policies.errors import PolicyError
from policies.reading import parse_rows, read_rows
from policies.roles import RoleClosure
from policies.vocabulary import vocabulary_of

WORDS = vocabulary_of(load_catalogue(RULES))
ROLE = "g, user:U1, role:x, *\n"
ASK = ROLE + "p, a, {sub}, {dom}, {res}, {act}, {limit}, {effect}"
GOOD = {"sub": "role:x", "dom": "*", "res": "class:gpu", "act": "use", "limit": "-", "effect": "allow"}
NEED = "p2, a, *, *, class:gpu, use, -, allow, {slots}"
VOTE = "p3, a, *, *, class:any, *, -, allow, {slots}"


def ask(**changed):
    return ASK.format(**{**GOOD, **changed})


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        pytest.param("p, a, role:x, *, class:gpu, use, -", 1, "7 fields, this one has 6", id="short row"),
        pytest.param(ask() + ", more", 2, "7 fields, this one has 8", id="long row"),
        pytest.param("g, user:U1, role:x", 1, "3 fields, this one has 2", id="short link"),
        pytest.param("q, a", 1, "unknown row type 'q'", id="row type that the stock loader drops"),
        pytest.param("g2, gpu:a, class:gpu", 1, "unknown row type 'g2'", id="class link by hand"),
        pytest.param("P, a, b, c, d, e, f, allow", 1, "unknown row type 'P'", id="row type in capitals"),
        pytest.param(ask(effect="alow"), 2, "no effect 'alow'. Did you mean allow", id="effect that never bites"),
        pytest.param(ask(effect="Deny"), 2, "no effect 'Deny'. Did you mean deny", id="effect in capitals"),
        pytest.param(ask(act="use # note"), 2, "a note is joined", id="note joined to the action"),
        pytest.param(ask() + " # note", 2, "a note is joined", id="note joined to the effect"),
        pytest.param(ask() + ", # note", 2, "a note is joined", id="note as a field"),
        pytest.param(ask() + "\n" + ask().split("\n")[1], 3, "the id stands twice, first in line 2", id="duplicate id"),
        pytest.param(ROLE + ask(), 2, "stands twice", id="duplicate link"),
        pytest.param(ask(sub=""), 2, "a field is empty", id="empty subject"),
        pytest.param(ask(sub="x"), 2, "subject 'x'", id="subject without its kind"),
        pytest.param(ask(sub="user:role:x"), 2, "subject 'user:role:x'", id="subject named like a role"),
        pytest.param("g, x, role:x, *", 1, "member 'x'", id="member without its kind"),
        pytest.param("g, user:role:x, role:x, *", 1, "member 'user:role:x'", id="member named like a role"),
        pytest.param("g, user:U1, x, *", 1, "'x' is not a role", id="role without its kind"),
        pytest.param("g, user:U1, user:U2, *", 1, "'user:U2' is not a role", id="person as a role"),
        pytest.param("g, user:U1, role:x, vision", 1, "'vision' is not a team", id="link's team without its kind"),
        pytest.param(ask(dom="vision"), 2, "'vision' is not a team", id="team without its kind"),
        pytest.param(ask(res="class:gpus"), 2, "no resource or class 'class:gpus'. Did you mean class:gpu", id="class"),
        pytest.param(ask(res="env:prod"), 2, "no resource or class 'env:prod'. Did you mean env:", id="environment"),
        pytest.param(ask(res="gpu:h100"), 2, "Did you mean gpu:h100-shared", id="pool"),
        pytest.param(ask(act="usee"), 2, "no action 'usee'. Did you mean use", id="action"),
        pytest.param(ask(act="Use"), 2, "no action 'Use'. Did you mean use", id="action in capitals"),
        pytest.param(ask(limit="gpu<=2"), 2, "no fact gpu. Did you mean gpus", id="fact"),
        pytest.param(ask(limit="gpus<=x"), 2, "write it like gpus<=8", id="number"),
        pytest.param(ask(limit="gpus<=1_0"), 2, "write it like gpus<=8", id="number that int() would take"),
        pytest.param(ask(limit="gpus<=08"), 2, "write it like gpus<=8", id="number with a zero before it"),
        pytest.param(ask(limit="gpus=<8"), 2, "write it like gpus<=8", id="comparison"),
        pytest.param(NEED.format(slots="boss:1"), 1, "no seat 'boss'", id="seat"),
        pytest.param(NEED.format(slots="owner-led:1"), 1, "Did you mean owner-lead", id="seat misspelt"),
        pytest.param(NEED.format(slots="owner-lead"), 1, "write it like owner-lead:1", id="seat without a count"),
        pytest.param(NEED.format(slots="owner-lead:0"), 1, "write it like owner-lead:1", id="seat for nobody"),
        pytest.param(NEED.format(slots="auto dpo:1"), 1, "no seat 'auto'|write it like", id="auto beside a seat"),
        pytest.param(NEED.format(slots="dpo:1 dpo:2"), 1, "a seat stands twice", id="seat twice"),
        pytest.param(NEED.format(slots="dpo:1").replace("allow", "deny"), 1, "its effect is allow", id="deny in NEED"),
        pytest.param(VOTE.format(slots="led"), 1, "no seat 'led'", id="seat of a vote"),
        pytest.param("p, A b, *, *, class:gpu, use, -, deny", 1, "'A b' is not an id", id="id"),
        pytest.param(
            ask() + "\np, b, role:y, *, class:gpu, use, -, allow",
            3,
            "no g row knows role:y. Did you mean role:x",
            id="role nobody has",
        ),
        pytest.param(
            ask() + "\ng, user:U2, role:xx, *", 3, "no rule speaks of role:xx. Did you mean role:x", id="role"
        ),
        pytest.param("g, role:a, role:b, *\ng, role:b, role:a, *", 1, "roles go in a circle", id="circle of two"),
        pytest.param("g, role:a, role:a, *", 1, "roles go in a circle", id="circle of one"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_what_to_do(text, line, fault):
    with pytest.raises(PolicyError, match=f"(?i){fault}") as caught:
        parse_rows(text, WORDS)
    assert caught.value.place == f"line {line}"


def test_the_row_that_the_faults_are_made_from_is_good():
    assert len(parse_rows(ask(), WORDS).rules) == 1


def test_every_fault_is_found_and_not_only_the_first():
    reading = read_rows("q\n# a note\n\n" + NEED.format(slots="boss:1") + "\np, a", WORDS)
    assert [fault.line for fault in reading.faults] == [1, 4, 5]


def test_a_fault_says_how_many_more_there_are():
    with pytest.raises(PolicyError, match=r"2 more: `quartermaster policy lint` lists them"):
        parse_rows("q\nq\nq", WORDS)


def test_lines_are_counted_as_editors_count_them():
    with pytest.raises(PolicyError) as caught:
        parse_rows("# a\u2028b\x0bc\x85d\r\nq", WORDS)
    assert caught.value.place == "line 2"


def test_no_folder_no_file_and_no_utf8_are_each_said_in_words(rules):
    (rules / "policy.csv").write_bytes(b"p, \xff")
    with pytest.raises(PolicyError, match="not UTF-8"):
        Policy.load(rules)
    (rules / "policy.csv").unlink()
    with pytest.raises(PolicyError, match=r"policy\.csv.*there is none"):
        Policy.load(rules)


def test_a_long_chain_of_roles_is_no_trouble():
    rows = parse_rows(
        "\n".join(f"g, role:r{n}, role:r{n + 1}, *" for n in range(1100)) + "\np, a, role:r1100, *, "
        "class:gpu, use, -, allow",
        WORDS,
    )
    assert RoleClosure(rows.links).has_link("role:r0", "role:r1100", "team:t")


@pytest.mark.parametrize(
    "model",
    [
        "",
        "not a model",
        "[request_definition]\nr = a",
        "{shipped} && 1",
        "{shipped} || open('/etc/passwd')",
        "{shipped} || r3.sub.__class__ == p3.sub",
        "priority",
        "allowed unless forbidden",
        "tokens",
    ],
)
def test_a_model_that_is_not_ours_is_refused_in_words(rules, model):
    shipped = (rules / "model.conf").read_text().rstrip()
    changed = {
        "priority": shipped.replace("&& !some(where (p.eft == deny))", ""),
        "allowed unless forbidden": shipped.replace("some(where (p.eft == allow)) && ", ""),
        "tokens": shipped.replace("p  = id, sub, dom,", "p  = id, dom, sub,"),
    }
    (rules / "model.conf").write_text(changed.get(model, model.replace("{shipped}", shipped)))
    with pytest.raises(PolicyError, match=r"model\.conf"):
        Policy.load(rules)


def test_a_catalogue_fault_names_its_table(rules):
    path = rules / "catalogue.toml"
    path.write_text(path.read_text().replace("price_minor = 280", 'price_minor = "280"'))
    with pytest.raises(PolicyError, match=r"gpu_types\.h100-80gb"):
        Policy.load(rules)
