"""The page in a real browser, with a Bolt app behind it."""

from __future__ import annotations

import os
import re
import shutil

import pytest

from bot.workspace.model import Channel, Command, Person
from bot.workspace.server import WorkspaceServer

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
pytestmark = pytest.mark.browser

PEOPLE = (
    Person(id="U01MIRA", name="Mira", title="Engineer, vision"),
    Person(id="U02INES", name="Ines", title="Lead, platform"),
)
CHANNELS = (
    Channel(name="gpu-desk", id="C01DESK", topic="Mention @quartermaster to ask"),
    Channel(name="pair", id="C02PAIR"),
)
COMMANDS = (
    Command(usage="/qm gpu", description="Ask for GPU time"),
    Command(usage="/qm status REQ-12", description="Where a request stands"),
    Command(usage="/qm help", description="Everything you may do"),
)
WIDE, SHEET, PHONE = (1440, 900), (1000, 800), (390, 844)


def plain(text):
    return {"type": "plain_text", "text": text}


def button(label, action_id, **extra):
    return {"type": "button", "text": plain(label), "action_id": action_id, **extra}


def card(state, *buttons):
    fields = [{"type": "mrkdwn", "text": "*When*\nTomorrow, 09:00"}, {"type": "mrkdwn", "text": "*Cost*\n€67.20"}]
    return [
        {"type": "header", "text": plain("4 × H100 for 6 hours")},
        {"type": "section", "text": {"type": "mrkdwn", "text": state}},
        {"type": "section", "fields": fields},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "Rule `ask-gpu` allows this."}]},
        *([{"type": "actions", "block_id": "row", "elements": list(buttons)}] if buttons else []),
    ]


def form(total="16"):
    reason = {"type": "plain_text_input", "action_id": "typed"}
    gpus = {"type": "number_input", "action_id": "count", "is_decimal_allowed": False, "max_value": "8"}
    enter = {"trigger_actions_on": ["on_character_entered"]}
    return {
        "type": "modal",
        "callback_id": "form",
        "title": plain("Deny request"),
        "submit": plain("Deny"),
        "close": plain("Back"),
        "blocks": [
            {"type": "input", "block_id": "reason", "label": plain("Reason"), "element": reason},
            {
                "type": "input",
                "block_id": "gpus",
                "label": plain("Number of GPUs"),
                "dispatch_action": True,
                "optional": True,
                "element": gpus | {"dispatch_action_config": enter},
            },
            {"type": "context", "block_id": "total", "elements": [plain(f"{total} GPU-hours")]},
        ],
    }


def listen(app):
    """Answer as the desk would, with the fewest words."""
    choices = [{"text": plain(f"{hours} hours"), "value": hours} for hours in ("1", "2")]
    menu = {"type": "static_select", "action_id": "extend", "placeholder": plain("Extend by"), "options": choices}

    @app.event("app_mention")
    def _(event, say):
        row = (button("Confirm", "confirm", style="primary"), button("Deny", "deny", style="danger"), menu)
        say(text="Please confirm.", blocks=card(":memo: *Is this what you mean?*", *row, button("Silent", "silent")))

    @app.event("message")
    def _():
        pass

    @app.event("app_home_opened")
    def _(event, client):
        blocks = card(":anchor: *Verified*", button("Release", "release"))
        client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})

    @app.action("confirm")
    def _(ack, body, client):
        ack()
        channel, ts = body["channel"]["id"], body["message"]["ts"]
        blocks = card(":hourglass_flowing_sand: *Waiting for approval*", button("Confirm", "confirm"))
        client.chat_update(channel=channel, ts=ts, text="Waiting.", blocks=blocks)
        client.chat_postEphemeral(channel=channel, user=body["user"]["id"], text="You alone read this.")

    @app.action("extend")
    def _(ack, body, client):
        ack()
        chosen = body["actions"][0]["selected_option"]["value"]
        client.chat_postMessage(channel=body["channel"]["id"], text=f"Extended by {chosen}.")

    @app.action("deny")
    def _(ack, body, client):
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=form())

    @app.action("count")
    def _(ack, body, client):
        ack()
        count = int(body["actions"][0]["value"] or 0)
        client.views_update(view_id=body["view"]["id"], view=form(str(count * 6)))

    @app.action("release")
    def _(ack, body, client):
        ack()
        client.views_publish(user_id=body["user"]["id"], view={"type": "home", "blocks": card(":zzz: *Released*")})

    @app.view("form")
    def _(ack, body):
        reason = body["view"]["state"]["values"]["reason"]["typed"]["value"]
        errors = {"reason": "Give a reason Mira can act on."}
        ack(response_action="errors", errors=errors) if reason == "no" else ack()

    @app.command("/qm")
    def _(ack, command):
        ack(f"You typed {command['text']}.")


@pytest.fixture
def server():
    with WorkspaceServer(PEOPLE, CHANNELS, commands=COMMANDS, ack_seconds=1.5) as running:
        yield running


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("No Chromium: apt-get install chromium")
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def is_trouble(line):
    """A page that is left while it connects says so on the console; that is no trouble."""
    return line.type in ("error", "warning") and "closed before the connection is established" not in line.text


@pytest.fixture
def visit(chromium, server, bolt):
    """Return a function that opens the page as somebody; at the end, nothing went wrong in it."""
    bolt(listen)
    troubles, contexts = [], []

    def watch(page):
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda line: troubles.append(line.text) if is_trouble(line) else None)
        page.on(
            "request", lambda asked: None if asked.url.startswith(server.core.base_url) else troubles.append(asked.url)
        )

    def open_page(user="U01MIRA", at="gpu-desk", size=WIDE, scheme="light", more=""):
        viewport = {"width": size[0], "height": size[1]}
        context = chromium.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
        contexts.append(context)
        context.set_default_timeout(8000)
        page = context.new_page()
        watch(page)
        page.goto(f"{server.url}&as={user}&at={at}{more}")
        expect(page.locator("#desk")).to_have_attribute("aria-busy", "false")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def asked(server, mira):
    """A card waits in the channel."""
    mira.say("gpu-desk", "@quartermaster 4 h100 for 6 hours")
    mira.wait(lambda: [each for each in mira.messages("gpu-desk") if each["blocks"]])


def box(page):
    return page.get_by_role("combobox", name=re.compile("^Message"))


def no_sideways_scroll(page):
    script = "[document.documentElement, ...document.querySelectorAll('.log, .rail, .dialog-body')]"
    return page.evaluate(f"{script}.every((each) => each.scrollWidth <= each.clientWidth)")


def test_a_mention_is_completed_sent_and_answered_with_a_card(visit):
    page = visit()
    box(page).press_sequentially("@qu")
    expect(page.get_by_role("option", name=re.compile("@quartermaster"))).to_have_attribute("aria-selected", "true")
    box(page).press("Tab")
    box(page).press_sequentially("4 h100")
    box(page).press("Enter")
    expect(page.get_by_role("heading", name="4 × H100 for 6 hours")).to_be_visible()
    expect(page.locator(".mention").first).to_have_text("@Quartermaster")
    expect(box(page)).to_have_value("")


def test_a_click_changes_the_card_in_place_and_the_focus_stays(visit, asked):
    page = visit()
    page.get_by_role("button", name="Confirm").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Waiting for approval")).to_be_visible()
    expect(page.get_by_text("Is this what you mean?")).to_have_count(0)
    expect(page.get_by_role("button", name="Confirm")).to_be_focused()


def test_an_ephemeral_message_is_marked_and_shown_to_one_person_alone(visit, asked):
    page = visit()
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("You alone read this.")).to_be_visible()
    expect(page.get_by_text("Only visible to you")).to_be_visible()
    other = visit("U02INES")
    expect(other.get_by_text("Waiting for approval")).to_be_visible()
    expect(other.get_by_text("You alone read this.")).to_have_count(0)


def test_a_menu_in_a_card_tells_the_app_what_was_chosen(visit, asked):
    page = visit()
    page.get_by_role("combobox", name="Extend by").select_option(label="2 hours")
    expect(page.get_by_text("Extended by 2.")).to_be_visible()


def test_what_people_type_never_becomes_markup(visit, mira):
    text = "<img src=x onerror=alert(1)> <b>no</b> &amp;"
    mira.say("gpu-desk", text)
    page = visit()
    expect(page.locator(".said")).to_have_text(text)
    assert page.locator(".log img, .log b b").count() == 0


def test_text_is_drawn_as_slack_draws_it(visit, web):
    lines = ["*bold* _italic_ ~struck~ `x &lt; y` claims_2024_v2 :white_check_mark: :unknown_one:"]
    lines += [">quoted", "<https://example.com|the site> <@U02INES> <#C01DESK>", "```a\n*b*```"]
    web.chat_postMessage(channel="C01DESK", text="\n".join(lines))
    page = visit()
    said = page.locator(".said")
    for tag, text in (
        ("strong", "bold"),
        ("em", "italic"),
        ("s", "struck"),
        ("code", "x < y"),
        ("blockquote", "quoted"),
        ("pre", "a\n*b*"),
    ):
        expect(said.locator(tag)).to_have_text(text)
    expect(said).to_contain_text("claims_2024_v2 ✅ :unknown_one:")
    expect(said.get_by_role("link", name="the site")).to_have_attribute("href", "https://example.com")
    expect(said.locator(".mention")).to_have_text(["@Ines", "#gpu-desk"])


def test_a_modal_starts_on_its_first_field_and_gives_the_focus_back(visit, asked):
    page = visit()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("dialog", name="Deny request")).to_be_visible()
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Deny")).to_be_focused()


def test_a_modals_error_stands_at_its_field_and_what_was_typed_stays(visit, asked, mira):
    page = visit()
    page.get_by_role("button", name="Deny").click()
    page.get_by_role("dialog").get_by_role("button", name="Deny").click()
    expect(page.get_by_text("Please complete this required field.")).to_be_visible()
    reason = page.get_by_label("Reason")
    reason.fill("no")
    reason.press("Enter")
    expect(page.get_by_text("Give a reason Mira can act on.")).to_be_visible()
    expect(reason).to_have_attribute("aria-invalid", "true")
    expect(reason).to_be_focused()
    expect(reason).to_have_value("no")
    reason.fill("Use the idle ones first.")
    page.get_by_role("dialog").get_by_role("button", name="Deny").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert mira.modal() is None


def test_a_changed_value_updates_the_modal_and_loses_nothing(visit, asked):
    page = visit()
    page.get_by_role("button", name="Deny").click()
    page.get_by_label("Reason").fill("because")
    page.get_by_label("Number of GPUs").press_sequentially("4")
    expect(page.get_by_text("24 GPU-hours")).to_be_visible()
    expect(page.get_by_label("Number of GPUs")).to_be_focused()
    expect(page.get_by_label("Number of GPUs")).to_have_value("4")
    expect(page.get_by_label("Reason")).to_have_value("because")


def test_a_slash_opens_the_commands_from_anywhere(visit):
    page = visit()
    page.get_by_role("button", name="gpu-desk").focus()
    page.keyboard.press("/")
    expect(page.get_by_role("option")).to_have_count(3)
    page.keyboard.press("ArrowDown")
    chosen = page.get_by_role("option", name="/qm status")
    expect(chosen).to_have_attribute("aria-selected", "true")
    expect(box(page)).to_have_attribute("aria-activedescendant", chosen.get_attribute("id"))
    page.keyboard.press("Enter")
    expect(box(page)).to_have_value("/qm status ")
    page.keyboard.type("REQ-7")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You typed status REQ-7.")).to_be_visible()


def test_escape_closes_the_menu_and_keeps_what_was_typed(visit):
    page = visit()
    box(page).press_sequentially("/qm")
    expect(page.get_by_role("listbox")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_have_count(0)
    expect(box(page)).to_have_value("/qm")


def test_shift_enter_breaks_the_line_and_enter_sends(visit, mira):
    page = visit()
    box(page).press_sequentially("one")
    box(page).press("Shift+Enter")
    box(page).press_sequentially("two")
    box(page).press("Enter")
    mira.wait(lambda: [each for each in mira.messages("gpu-desk") if each["text"] == "one\ntwo"])


def test_acting_as_somebody_else_shows_their_messages_and_says_so(visit, web):
    web.chat_postMessage(channel="U02INES", text="for Ines alone")
    page = visit()
    ines = page.get_by_role("button", name=re.compile("^Ines"))
    expect(ines).to_contain_text("1 unread")
    expect(page.get_by_text("for Ines alone")).to_have_count(0)
    ines.click()
    expect(page.get_by_text("for Ines alone")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="You now act as Ines, lead, platform.")).to_be_visible()
    expect(ines).to_have_attribute("aria-current", "true")
    expect(ines).not_to_contain_text("unread")


def test_a_new_message_appears_without_a_reload_and_marks_its_channel(visit, web):
    page = visit()
    web.chat_postMessage(channel="C02PAIR", text="elsewhere")
    expect(page.get_by_role("button", name=re.compile("pair"))).to_contain_text("unread")
    web.chat_postMessage(channel="C01DESK", text="here")
    expect(page.get_by_role("log").get_by_text("here", exact=True)).to_be_visible()
    expect(page).to_have_title(re.compile(r"^\(1\) #gpu-desk"))


def test_a_thread_is_a_column_where_there_is_room_and_a_sheet_where_not(visit, mira, ines):
    root = mira.say("gpu-desk", "the root")
    ines.say("gpu-desk", "the reply", root)
    page = visit(size=SHEET)
    page.get_by_role("button", name="1 reply").click()
    thread = page.get_by_role("complementary", name="Thread")
    expect(thread.get_by_text("the reply")).to_be_visible()
    page.get_by_role("combobox", name="Reply in thread").fill("mine too")
    page.keyboard.press("Enter")
    expect(thread.get_by_text("mine too")).to_be_visible()
    assert mira.messages("gpu-desk", root)[-1]["thread_ts"] == root
    page.keyboard.press("Escape")
    expect(thread).to_have_count(0)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("button", name="2 replies").click()
    assert thread.bounding_box()["x"] >= page.get_by_role("main").bounding_box()["width"] + 200


def test_home_shows_what_the_app_publishes_and_its_buttons_work(visit):
    page = visit(at="home")
    expect(page.get_by_text("Verified")).to_be_visible()
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("Released")).to_be_visible()


def test_a_click_that_nobody_acknowledges_is_said(visit, asked):
    page = visit()
    page.get_by_role("button", name="Silent").click()
    expect(page.get_by_text("The app did not answer in 3 seconds. Try again.")).to_be_visible()


def test_a_file_can_be_downloaded(visit, web):
    web.files_upload_v2(channel="C01DESK", filename="case.txt", content="evidence")
    page = visit()
    with page.expect_download() as caught:
        page.get_by_role("button", name=re.compile("case.txt")).click()
    assert caught.value.suggested_filename == "case.txt"
    assert caught.value.path().read_text() == "evidence"


def test_a_page_without_this_starts_token_stays_closed(visit, server, chromium):
    visit()
    page = chromium.new_page()
    page.goto(f"{server.core.base_url}/#token=wrong")
    expect(page.get_by_role("heading", name="This page is closed")).to_be_visible()
    assert page.get_by_role("button", name="Mira").count() == 0
    page.close()


def test_the_token_leaves_the_address_and_a_reload_stays_in_place(visit, server):
    page = visit(at="pair", more="&theme=dark")
    assert server.core.page_token not in page.url
    page.reload()
    expect(page.locator("#desk")).to_have_attribute("aria-busy", "false")
    expect(page.get_by_role("heading", name="# pair")).to_be_visible()
    assert (
        page.evaluate("getComputedStyle(document.body).colorScheme || document.documentElement.dataset.theme") == "dark"
    )


def test_on_a_phone_there_is_one_column_and_a_drawer(visit, asked):
    page = visit(size=PHONE)
    assert no_sideways_scroll(page)
    people = page.get_by_role("navigation", name="People and conversations")
    expect(people).to_have_count(0)
    page.get_by_role("button", name="Open menu").click()
    expect(people).to_be_visible()
    page.keyboard.press("Escape")
    expect(people).to_have_count(0)
    expect(page.get_by_role("button", name="Open menu")).to_be_focused()


def test_on_a_phone_every_control_can_be_hit(visit, asked):
    page = visit(size=PHONE)
    script = "[...document.querySelectorAll('.pane :is(button, select)')].filter((e) => e.checkVisibility()).map((e) => [e.textContent, e.getBoundingClientRect().height])"
    assert [each for each in page.evaluate(script) if each[1] < 44] == []


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (color) => { const [r, g, b] = rgb(color).map((each) => { const part = each / 255; return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (element) => { for (let each = element; each; each = each.parentElement) { const color = getComputedStyle(each).backgroundColor; if (rgb(color)[3] === 255) return color; } return "white"; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || element.closest(".spoken, .emoji, .reply")) continue;
    const [one, two] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < 4.5) found.push([walker.currentNode.data.trim(), ratio.toFixed(2)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_against_its_ground(visit, asked, mira, web, scheme):
    web.chat_postMessage(channel="C01DESK", text=">quoted `code` <@U01MIRA> <https://example.com|link>")
    root = mira.say("gpu-desk", "root")
    web.chat_postMessage(channel="C01DESK", text="reply", thread_ts=root)
    page = visit(scheme=scheme, more=f"&thread={root}")
    expect(page.get_by_role("complementary", name="Thread").get_by_text("reply", exact=True)).to_be_visible()
    assert page.evaluate(CONTRAST) == []


def test_what_changes_is_announced(visit):
    page = visit()
    expect(page.get_by_role("log", name="Messages")).to_have_attribute("aria-live", "polite")
    expect(page.locator("#toasts")).to_have_attribute("role", "status")
    expect(page.get_by_role("button", name="gpu-desk")).to_have_attribute("aria-current", "true")


def test_an_example_fills_the_message_box_and_sends_nothing(visit, mira):
    page = visit()
    example = page.get_by_role("list", name="For example").get_by_role("button")
    example.click()
    expect(box(page)).to_have_value("@quartermaster 4 h100 for 3 hours so I can retrain churn")
    expect(box(page)).to_be_focused()
    assert mira.messages("gpu-desk") == []


def test_the_examples_go_once_the_person_has_written_and_stay_for_others(visit):
    page = visit()
    examples = page.get_by_role("list", name="For example")
    box(page).fill("hello")
    box(page).press("Enter")
    expect(page.locator(".said")).to_have_text("hello")
    expect(examples).to_have_count(0)
    page.get_by_role("button", name=re.compile("^Ines")).click()
    expect(examples).to_have_count(1)


def test_the_address_names_the_place_as_people_do_and_leads_back_to_it(visit):
    page = visit(at="pair")
    for entry, name, heading in (
        ("gpu-desk", "gpu-desk", "# gpu-desk"),
        ("Quartermaster", "dm", "Quartermaster"),
        ("Home", "home", "Quartermaster"),
    ):
        page.get_by_role("navigation").get_by_role("button", name=entry, exact=True).click()
        expect(page).to_have_url(re.compile(rf"#as=U01MIRA&at={name}$"))
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        current = page.get_by_role("navigation").get_by_role("button", name=entry, exact=True)
        expect(current).to_have_attribute("aria-current", "true")


def test_the_focus_stays_in_a_modal_whichever_way_one_tabs(visit, asked):
    page = visit()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_label("Reason")).to_be_focused()
    for key in ("Tab", "Shift+Tab"):
        for _ in range(12):
            page.keyboard.press(key)
            assert page.evaluate("document.activeElement.closest('dialog') !== null")


def test_a_room_that_is_left_while_it_is_fetched_takes_nothing_with_it(visit):
    page = visit()
    held = []
    page.route("**/ui/messages**", lambda route: held.append(route))  # noqa: PLW0108 Playwright marks the function
    rail = page.get_by_role("navigation")
    rail.get_by_role("button", name="pair", exact=True).click()
    rail.get_by_role("button", name="Home", exact=True).click()
    expect(page.get_by_text("Verified")).to_be_visible()
    for route in held:
        route.continue_()
    page.wait_for_timeout(200)
    expect(page.get_by_role("heading", level=1)).to_have_text("Quartermaster")
    expect(page).to_have_url(re.compile("at=home$"))
    expect(page.locator("#toasts")).to_be_empty()


def test_a_thread_that_is_closed_while_it_is_fetched_stays_closed(visit, asked):
    page = visit()
    held = []
    page.route("**/ui/messages**thread=*", lambda route: held.append(route))  # noqa: PLW0108 Playwright marks the function
    page.locator(".message").first.hover()
    page.locator("[data-action=reply], [data-action=replies]").first.click()
    page.get_by_role("button", name="Close thread").click()
    for route in held:
        route.continue_()
    page.wait_for_timeout(200)
    expect(page.get_by_role("complementary", name="Thread")).to_have_count(0)


def test_a_press_that_goes_on_while_something_is_told_anew_still_counts(visit, server):
    page = visit()
    entry = page.get_by_role("navigation").get_by_role("button", name="pair")
    entry.hover()
    page.mouse.down()
    server.person("U02INES").say("pair", "something new")
    expect(entry).to_have_class("fresh")
    page.mouse.up()
    expect(page.get_by_role("heading", level=1)).to_have_text("# pair")
