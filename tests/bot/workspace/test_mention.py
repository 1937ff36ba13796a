"""What people type, and what the app receives."""

from __future__ import annotations

import pytest

from bot.workspace.mention import encode, mentions, rich_text

HANDLES = {"quartermaster": "U0BOT", "mira": "U01MIRA", "mira.sand": "U01MIRA"}


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("@quartermaster hi", "<@U0BOT> hi"),
        ("@Quartermaster, hi", "<@U0BOT>, hi"),
        ("for @mira.sand.", "for <@U01MIRA>."),
        ("<@U0BOT> hi", "<@U0BOT> hi"),
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("<script>", "&lt;script&gt;"),
        ("mira@mira", "mira@mira"),
        ("@nobody", "@nobody"),
        ("<#C01DESK|desk> <!here>", "<#C01DESK|desk> <!here>"),
    ],
)
def test_text_is_escaped_and_names_become_mentions(typed, sent):
    assert encode(typed, HANDLES) == sent


def test_commands_carry_the_handle_too():
    assert encode("give @mira 2", HANDLES, labelled=True) == "give <@U01MIRA|mira> 2"


def test_mentions_are_found_in_order():
    assert mentions("<@U2> and <@U1|mira>") == ["U2", "U1"]


def test_the_composer_sends_the_same_words_as_rich_text():
    (section,) = rich_text("<@U2> 1 &lt; 2")["elements"]
    assert section["elements"] == [{"type": "user", "user_id": "U2"}, {"type": "text", "text": " 1 < 2"}]
