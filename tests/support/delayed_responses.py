"""Delays responses to a page, as a bad network does."""

from playwright.sync_api import expect

from support.wait import wait_until

_HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


class DelayedResponses:
    """Holds back the responses to requests that match `pattern`, after the host has answered.

    `count`: number of responses to hold; None holds all."""

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
        """Wait until the first response is held."""
        def is_held():
            self._page.evaluate("0")  # lets playwright process requests
            return self.answers

        wait_until(is_held, 10, f"a request for {self._pattern}")

    def let_go(self):
        """Deliver the first response, and wait until the page has processed it."""
        self.deliver()
        settled(self._page)

    def deliver(self):
        """Deliver the first response, after which the page may open another one."""
        route, answer = self.answers.pop(0)
        with self._page.expect_event(
                "requestfinished", lambda one: one == route.request):
            route.fulfill(response=answer)


def settled(page):
    """Wait until the page has rendered: two frames and a round trip."""
    page.evaluate("""async () => {
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      await frame();
      await frame();
      await fetch("/api/session");
    }""")


def hide(page):
    """Report the tab as hidden."""
    page.evaluate(_HIDE, True)


def show(page):
    """Report the tab as visible."""
    page.evaluate(_HIDE, False)


def is_live(page):
    """Expect the page to be connected to the host."""
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
