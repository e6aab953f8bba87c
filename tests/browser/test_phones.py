"""The sandbox's page in a real browser: a developer plays the user of a phone."""

import time
from collections.abc import Callable
from typing import Any

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import Page
from tests.faults.scenarios import kill_and_restart
from tests.support.running import Number, Stack, until
from tests.support.shared_stack import AT_ONCE

BUTTONS = {"type": "button", "body": {"text": "Is that right?"}, "action": {"buttons": [
    {"type": "reply", "reply": {"id": "yes", "title": "Yes"}}, {"type": "reply", "reply": {"id": "no", "title": "No"}},
]}}  # fmt: skip
LIST = {"type": "list", "body": {"text": "Which size?"}, "action": {"button": "Sizes", "sections": [
    {"title": "All", "rows": [{"id": "s", "title": "Small"}, {"id": "l", "title": "Large"}]},
]}}  # fmt: skip
SCRIPT = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
MANY = 200  # bubbles, as many as are shown of a phone


def inbound(shop: Number, who: str, count: int) -> list[dict[str, Any]]:
    """Wait for so many messages of a person at the platform, and return their contents, the latest first."""
    path = f"/messages?recipient={who}&direction=inbound&limit=100"

    def look() -> list[dict[str, Any]] | None:
        rows = shop.stack.call("GET", path).json()["data"]
        return rows if len(rows) >= count else None

    found: list[dict[str, Any]] = until(look, f"{count} messages came", 10)
    return found


def send(shop: Number, kind: str, who: str, **body: Any) -> str:
    answer = shop.stack.call("POST", f"/messages{kind}", {"phone_number_id": shop.id, "to": f"+{who}"} | body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_messages_and_their_ticks_come_without_a_reload(page: Page, shop: Number, person: Callable[[], str]) -> None:
    who = person()
    shop.open_windows([who])
    page.open(who)
    shop.stack.box("PUT", "/timing", AT_ONCE | {"read_share": 1, "read": 0.5})
    try:
        send(shop, "", who, text="Good morning")
        page.shows("Good morning")
        page.waits(lambda: page.driver.find_elements("css selector", ".bubble .meta.read"), "it is read")
    finally:
        shop.stack.box("PUT", "/timing", AT_ONCE)
    assert page.one(".meta.read").get_attribute("aria-label").endswith("read")  # type: ignore[union-attr]
    page.waits(lambda: any(who in each for each in page.texts("#sends tr")), "the send is in the log")
    page.waits(lambda: any("messages" in each for each in page.texts("#webhooks tr")), "webhooks are in the log")


def test_what_is_tapped_arrives_as_the_users_answer(page: Page, shop: Number, person: Callable[[], str]) -> None:
    who = person()
    shop.open_windows([who])
    page.open(who)
    send(shop, "/interactive", who, interactive=BUTTONS)
    page.shows("Is that right?")
    page.one(".choices button").click()
    [tapped] = [row for row in inbound(shop, who, 2) if row["type"] == "interactive"]
    assert tapped["content"]["button_reply"] == {"id": "yes", "title": "Yes"}
    assert tapped["context_wamid"] is not None
    send(shop, "/interactive", who, interactive=LIST)
    page.shows("Which size?")
    page.driver.find_elements("css selector", ".choices button")[-1].click()
    rows = [row["content"] for row in inbound(shop, who, 3) if row["type"] == "interactive"]
    assert "l" in [content["list_reply"]["id"] for content in rows if "list_reply" in content]
    page.shows("▸ Large")


def test_a_new_user_writes_with_the_keyboard_alone(page: Page, shop: Number, person: Callable[[], str]) -> None:
    who = person()
    page.open()
    page.waits(lambda: page.driver.find_elements("css selector", "#number option"), "numbers are there")
    page.one("body").send_keys(Keys.TAB)
    keys = ActionChains(page.driver)
    keys.send_keys(f"+{who}").send_keys(Keys.ENTER).perform()
    page.waits(lambda: page.driver.switch_to.active_element.get_attribute("id") == "text", "the text has the focus")
    page.waits(lambda: page.one("#state").get_attribute("data-state") == "live", "the page is live")
    choice = f"document.getElementById('number').value = '{shop.id}'"
    page.driver.execute_script(choice)  # of many numbers, the one that is looked at
    ActionChains(page.driver).send_keys("Hello from the keyboard").send_keys(Keys.ENTER).perform()
    page.shows("Hello from the keyboard")
    assert inbound(shop, who, 1)[0]["content"]["body"] == "Hello from the keyboard"
    other = person()
    shop.hears(other, "me too")
    page.waits(lambda: any(other in each for each in page.texts(".phone")), "the other phone is there")
    page.one("#phones").send_keys(Keys.ARROW_UP)
    page.waits(lambda: other in str(page.driver.current_url), "the other phone is chosen")
    page.shows("me too")


def test_what_a_user_writes_is_text_whatever_it_looks_like(page: Page, shop: Number, person: Callable[[], str]) -> None:
    who = person()
    page.open(who)
    shop.hears(who, SCRIPT)
    shop.stack.box("POST", "/inbound", {"phone_number_id": shop.id, "from": who, "name": SCRIPT, "type": "text",
                                        "text": {"body": "named"}})  # fmt: skip
    page.shows("onerror")
    page.shows("named")
    assert page.driver.title == "Sandbox: phones"
    assert not page.driver.find_elements("css selector", "main img, nav img, main script")


def test_a_page_comes_back_by_itself_with_all_that_it_missed(
    page: Page, stack: Stack, shop: Number, person: Callable[[], str]
) -> None:
    who = person()
    shop.open_windows([who])
    page.open(who)
    kill_and_restart(stack, "sandbox")
    send(shop, "", who, text="After the restart")
    page.waits(lambda: any("After the restart" in each for each in page.texts(".bubble")), "it is shown", 30)
    assert page.one("#state").get_attribute("data-state") == "live"


def test_a_long_conversation_stays_quick(page: Page, shop: Number, person: Callable[[], str]) -> None:
    who = person()
    for place in range(MANY):
        shop.stack.box("POST", "/inbound", {"phone_number_id": shop.id, "from": who, "type": "text",
                                            "text": {"body": f"n{place}"}})  # fmt: skip
    page.open(who)
    page.waits(lambda: len(page.texts(".bubble")) == MANY, "all are shown")
    began = time.monotonic()
    shop.hears(who, "one more")
    page.shows("one more")
    assert time.monotonic() - began < 3
