"""A running stack, and a headless Debian chromium that looks at its sandbox's page."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.support.running import Number, Stack, until

# As root there is no sandbox of chromium's own, and /dev/shm of a container is small.
FLAGS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1400,900")


class Page:
    """The page, by what a user sees."""

    def __init__(self, driver: WebDriver, url: str) -> None:
        self.driver, self.url = driver, url

    def open(self, who: str = "") -> None:
        """Open it at a person's phone, afresh, and wait until it is live."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.url}/_sandbox/#{who}")
        self.waits(lambda: self.one("#state").get_attribute("data-state") == "live", "the page is live")

    def one(self, selector: str) -> WebElement:
        """Return an element."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """Return the texts of elements, read at one moment."""
        script = "return [...document.querySelectorAll(arguments[0])].map(each => each.textContent)"
        found: list[str] = self.driver.execute_script(script, selector)
        return found

    def waits(self, condition: Callable[[], object], what: str, seconds: float = 10.0) -> None:
        """Wait until something holds."""
        until(condition, what, seconds, 0.05)

    def shows(self, text: str) -> None:
        """Wait until a bubble has a text."""
        self.waits(lambda: any(text in each for each in self.texts(".bubble")), f"{text!r} is shown")


@pytest.fixture(scope="session")
def driver() -> Iterator[WebDriver]:
    options = Options()
    options.binary_location = shutil.which("chromium") or ""
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield running
    running.quit()


@pytest.fixture
def page(driver: WebDriver, stack: Stack) -> Iterator[Page]:
    """The page; a test in which the browser complained of anything but a lost stream has failed."""
    opened = Page(driver, stack.info["sandbox"])
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    yield opened
    said = [entry["message"] for entry in driver.get_log("browser")]  # type: ignore[no-untyped-call]
    assert [words for words in said if "/_sandbox/events" not in words] == []


@pytest.fixture(scope="session")
def shop(stack: Stack) -> Number:
    """A number that people can write to."""
    return stack.connect(throughput=1000, messaging_limit="UNLIMITED")
