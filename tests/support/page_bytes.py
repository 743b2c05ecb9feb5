"""What a page transfers with nothing in the cache, as the browser's network layer counts it."""

from idroserra.auth.roles import Role
from support.pages import PHONE


def overview_bytes(browser, host, locale="it-IT"):
    """Return (bytes of headers and bodies as sent, requests) of the overview until it is live.

    A language other than English fetches its words too."""
    context = browser.new_context(viewport=PHONE, locale=locale)
    name, value = host.session_of(Role.OPERATOR)
    context.add_cookies([{"name": name, "value": value, "url": host.url}])
    page = context.new_page()
    talk = context.new_cdp_session(page)
    talk.send("Network.enable")
    sizes = []
    talk.on("Network.loadingFinished", lambda done: sizes.append(done["encodedDataLength"]))
    page.goto(host.url, wait_until="load")
    page.wait_for_selector("#link[data-state=live]")
    page.wait_for_selector(".node-card .tile .value")
    context.close()
    return sum(sizes), len(sizes)
