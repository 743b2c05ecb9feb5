"""Answers that come late, or never: what a page makes of a network that is bad."""

from playwright.sync_api import expect

from support.wait import wait_until

_HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


class DelayedResponses:
    """The answers to what a page asks at `pattern` from now on, kept back as they are made.

    `count`: so many are held, the others pass; None: all of them."""

    def __init__(self, page, pattern, count=1, method="GET"):
        self._page, self._pattern, self._method = page, pattern, method
        self._left = count
        self.answers = []
        page.route(pattern, self._hold)

    def _hold(self, route):
        if route.request.method != self._method or self._left == 0:
            route.fallback()
            return
        if self._left is not None:
            self._left -= 1
        self.answers.append((route, route.fetch()))

    def wait(self):
        """Wait until the first one is held: the host has answered, the page does not know."""
        def is_held():
            self._page.evaluate("0")  # lets playwright bring what was asked
            return self.answers

        wait_until(is_held, 10, f"a request for {self._pattern}")

    def let_go(self):
        """Let the first one through, and wait until the page has taken it in."""
        route, answer = self.answers.pop(0)
        with self._page.expect_event(
                "requestfinished", lambda one: one == route.request):
            route.fulfill(response=answer)
        settled(self._page)


def settled(page):
    """Wait until the page has drawn what it was told: two frames and a round trip."""
    page.evaluate("""async () => {
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      await frame();
      await frame();
      await fetch("/api/session");
    }""")


def hide(page):
    """Put the tab into the background."""
    page.evaluate(_HIDE, True)


def show(page):
    """Bring it back."""
    page.evaluate(_HIDE, False)


def is_live(page):
    """Expect the page to hear the host."""
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
