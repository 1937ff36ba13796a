"""A real Bolt app over Socket Mode, and people who talk to it."""

from __future__ import annotations

import pytest

from bot.workspace.errors import PersonError


def actions(*elements):
    return [{"type": "actions", "block_id": "row", "elements": list(elements)}]


def button(label, action_id, value="v"):
    return {"type": "button", "text": {"type": "plain_text", "text": label}, "action_id": action_id, "value": value}


def modal(*blocks, **extra):
    return {
        "type": "modal",
        "callback_id": "form",
        "title": {"type": "plain_text", "text": "Form"},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": list(blocks),
        **extra,
    }


def text_input(block_id="hours", label="Hours"):
    element = {"type": "plain_text_input", "action_id": "typed"}
    return {"type": "input", "block_id": block_id, "label": {"type": "plain_text", "text": label}, "element": element}


def section(text):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def test_a_mention_arrives_as_mention_and_as_message_and_the_reply_is_in_its_thread(server, mira, bolt):
    seen = []

    def listen(app):
        @app.event("app_mention")
        def _(event, say, body):
            seen.append(("mention", event, body))
            say(text="hello", thread_ts=event["ts"])

        @app.event("message")
        def _(event):
            seen.append(("message", event, None))

    bolt(listen)
    ts = mira.say("gpu-desk", "@quartermaster 4 H100 < 5 please")
    reply = mira.wait(lambda: mira.messages("gpu-desk", ts)[1:])[0]
    mira.wait(lambda: len(seen) >= 2)
    assert (reply["text"], reply["thread_ts"], reply["is_bot"]) == ("hello", ts, True)
    assert sorted(kind for kind, *_ in seen) == ["mention", "message"]
    _, event, body = next(each for each in seen if each[0] == "mention")
    assert event["text"] == f"<@{server.bot_user}> 4 H100 &lt; 5 please"
    assert (event["user"], event["channel"], event["ts"]) == ("U01MIRA", "C01DESK", ts)
    assert body["team_id"] == server.team_id
    assert body["event_id"].startswith("Ev")
    assert body["authorizations"][0]["user_id"] == server.bot_user


def test_a_direct_message_arrives_as_message_im(server, mira, bolt):
    seen = []

    def listen(app):
        @app.event("message")
        def _(event, say):
            seen.append(event)
            say("yes")

    bolt(listen)
    mira.say(mira.dm(), "are you there")
    mira.wait(lambda: [each for each in mira.messages(mira.dm()) if each["text"] == "yes"])
    assert seen[0]["channel_type"] == "im"


def test_a_click_carries_the_message_and_the_card_is_updated_in_place(server, web, mira, bolt):
    seen = []

    def listen(app):
        @app.action("approve")
        def _(ack, body, client):
            ack()
            seen.append(body)
            client.chat_update(channel=body["channel"]["id"], ts=body["message"]["ts"], text="Approved", blocks=[])

        @app.event("message")
        def _():
            pass

    bolt(listen)
    web.chat_postMessage(channel="C01DESK", text="card", blocks=actions(button("Approve", "approve", "REQ-1")))
    card = mira.messages("gpu-desk")[0]
    mira.click(card, "Approve")
    after = mira.wait(lambda: [each for each in mira.messages("gpu-desk") if each["edited"]])
    assert (after[0]["ts"], after[0]["text"], after[0]["blocks"]) == (card["ts"], "Approved", [])
    body = seen[0]
    assert body["actions"][0]["value"] == "REQ-1"
    assert body["container"] == {
        "type": "message",
        "message_ts": card["ts"],
        "channel_id": "C01DESK",
        "is_ephemeral": False,
    }
    assert (body["user"]["id"], body["team"]["id"]) == ("U01MIRA", server.team_id)
    assert body["response_url"].startswith("http://127.0.0.1:")


def test_a_menu_in_a_message_gives_the_apps_own_option_and_the_state(web, mira, bolt):
    seen = []

    def listen(app):
        @app.action("which")
        def _(ack, body):
            ack()
            seen.append(body)

        @app.event("message")
        def _():
            pass

    bolt(listen)
    options = [{"text": {"type": "plain_text", "text": size}, "value": size} for size in ("40", "80")]
    menu = {"type": "static_select", "action_id": "which", "options": options}
    web.chat_postMessage(channel="C01DESK", text="card", blocks=actions(menu))
    card = mira.messages("gpu-desk")[0]
    mira.select(card, "which", "80")
    assert seen[0]["actions"][0]["selected_option"] == options[1]
    assert seen[0]["state"]["values"]["row"]["which"]["selected_option"] == options[1]
    with pytest.raises(PersonError, match="no option"):
        mira.select(card, "which", "81")


def modal_app(app, seen):
    @app.action("edit")
    def _(ack, body, client):
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=modal(text_input(), private_metadata="REQ-1"))

    @app.view("form")
    def _(ack, view, body):
        seen.append(body)
        hours = view["state"]["values"]["hours"]["typed"]["value"]
        if not hours.isdecimal():
            ack(response_action="errors", errors={"hours": "Give a number of hours."})
        elif hours == "2":
            ack(response_action="update", view=modal(section("changed")))
        elif hours == "3":
            ack(response_action="push", view=modal(section("on top"), callback_id="upper"))
        elif hours == "4":
            ack(response_action="clear")
        elif hours == "5":
            ack(response_action="errors", errors={"no-such-block": "?"})
        else:
            ack()

    @app.view("upper")
    def _(ack):
        ack(response_action="clear")

    @app.event("message")
    def _():
        pass


@pytest.fixture
def form(web, mira, bolt):
    """Return the open modal of Mira, and what the app was told."""
    seen = []
    bolt(lambda app: modal_app(app, seen))
    web.chat_postMessage(channel="C01DESK", text="card", blocks=actions(button("Edit", "edit")))
    mira.click(mira.messages("gpu-desk")[0], "edit")
    return mira.wait(mira.modal), seen


def test_a_modal_shows_the_apps_errors_and_closes_once_it_is_taken(form, mira):
    view, seen = form
    assert mira.submit(view, {"Hours": "many"}) == {"hours": "Give a number of hours."}
    assert mira.modal()["errors"] == {"hours": "Give a number of hours."}
    assert mira.submit(view, {"hours": "6"}) == {}
    assert mira.modal() is None
    told = seen[-1]["view"]
    assert (told["id"], told["root_view_id"], told["private_metadata"]) == (view["id"], view["id"], "REQ-1")
    assert told["state"]["values"]["hours"]["typed"] == {"type": "plain_text_input", "value": "6"}


def test_a_required_input_left_empty_never_reaches_the_app(form, mira):
    view, seen = form
    assert mira.submit(view) == {"hours": "Please complete this required field."}
    assert seen == []


def test_an_update_replaces_the_modal_and_gives_it_a_new_hash(form, mira):
    view, _ = form
    assert mira.submit(view, {"hours": "2"}) == {}
    after = mira.modal()
    assert (after["id"], after["blocks"][0]["text"]["text"]) == (view["id"], "changed")
    assert after["hash"] != view["hash"]


def test_a_pushed_modal_lies_on_the_first_and_clear_takes_both(form, mira):
    view, _ = form
    assert mira.submit(view, {"hours": "3"}) == {}
    upper = mira.modal()
    assert upper["previous"] == view["id"]
    assert mira.submit(upper) == {}
    assert mira.modal() is None


def test_closing_the_upper_modal_shows_the_lower_one(form, mira):
    view, _ = form
    mira.submit(view, {"hours": "3"})
    mira.close(mira.modal())
    assert mira.modal()["id"] == view["id"]


def test_errors_for_a_block_that_is_no_input_are_the_apps_fault(form, mira):
    with pytest.raises(PersonError, match="trouble connecting"):
        mira.submit(form[0], {"hours": "5"})


def test_closing_is_told_only_where_the_app_asked_for_it(web, mira, bolt):
    closed = []

    def listen(app):
        @app.command("/qm")
        def _(ack, body, client):
            ack()
            client.views_open(
                trigger_id=body["trigger_id"], view=modal(section("x"), notify_on_close=body["text"] == "loud")
            )

        @app.view_closed("form")
        def _(ack, body):
            ack()
            closed.append(body["view"]["id"])

    bolt(listen)
    mira.command("/qm quiet")
    mira.close(mira.wait(mira.modal))
    mira.command("/qm loud")
    loud = mira.wait(mira.modal)
    mira.close(loud)
    assert closed == [loud["id"]]


def test_a_slash_command_answers_its_person_alone_unless_in_channel(mira, ines, bolt):
    def listen(app):
        @app.command("/qm")
        def _(ack, command, respond):
            if command["text"] == "status":
                ack("1 request")
            elif command["text"] == "later":
                ack()
                respond("later, too")
            else:
                ack(text=f"all see {command['text']}", response_type="in_channel")

        @app.event("message")
        def _():
            pass

    bolt(listen)
    mira.command("/qm status", "gpu-desk")
    mira.command("/qm later", "gpu-desk")
    mira.wait(lambda: len(mira.messages("gpu-desk")) == 2)
    assert [(each["text"], each["ephemeral"]) for each in mira.messages("gpu-desk")] == [
        ("1 request", True),
        ("later, too", True),
    ]
    assert ines.messages("gpu-desk") == []
    mira.command("/qm loud @ines", "gpu-desk")
    assert ines.messages("gpu-desk")[0]["text"] == "all see loud <@U02INES|ines>"


def test_a_command_nobody_registered_is_refused(mira, bolt):
    with pytest.raises(PersonError, match="/nope is not a valid command"):
        mira.command("/nope status")


def test_an_app_that_does_not_acknowledge_is_said_not_to_have_answered(mira, bolt):
    def listen(app):
        @app.command("/qm")
        def _():
            pass

    bolt(listen)
    with pytest.raises(PersonError, match="did not answer in 3 seconds"):
        mira.command("/qm status")


def test_home_is_opened_published_and_clicked(mira, ines, bolt):
    clicked = []

    def listen(app):
        @app.event("app_home_opened")
        def _(event, client):
            view = {"type": "home", "blocks": [section(f"for {event['user']}"), *actions(button("Board", "board"))]}
            client.views_publish(user_id=event["user"], view=view)

        @app.action("board")
        def _(ack, body):
            ack()
            clicked.append(body["view"]["type"])

    bolt(listen)
    assert mira.home() is None
    home = mira.wait(mira.home_again)
    assert home["blocks"][0]["text"]["text"] == "for U01MIRA"
    assert ines.home_again() is None
    mira.click(home, "Board")
    assert clicked == ["home"]


def test_a_file_from_the_app_can_be_downloaded_by_those_in_the_channel(web, mira, server, bolt):
    ts = mira.say("pair", "export please")
    web.files_upload_v2(channel="C02PAIR", content="a,b\n", filename="für 東京.csv", title="Export", thread_ts=ts)
    (file,) = mira.files("pair", ts)
    assert (file["name"], file["size"]) == ("für 東京.csv", 4)
    assert mira.download(file) == b"a,b\n"
    with pytest.raises(PersonError, match="404"):
        server.person("U03GUEST").download(file)


def test_a_refreshed_app_comes_back_and_hears_what_was_said_meanwhile(server, mira, bolt):
    seen = []

    def listen(app):
        @app.event("message")
        def _(event):
            seen.append(event["text"])

    bolt(listen)
    server.refresh()
    mira.say("gpu-desk", "after the refresh")
    server.wait_connected()
    mira.wait(lambda: "after the refresh" in seen)
