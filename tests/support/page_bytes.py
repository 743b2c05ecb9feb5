"""Counts the bytes that a page transfers with an empty cache."""

from idroserra.auth.roles import Role
from support.pages import PHONE

SHOWN = "#fleet tbody tr, .node-card .tile .value"


def page_bytes(browser, host, path="/", shown=SHOWN, locale="it-IT"):
    """Return (transferred bytes of headers and bodies, requests) until a page is live.

    Languages other than English also fetch their catalog."""
    context = browser.new_context(viewport=PHONE, locale=locale)
    name, value = host.session_of(Role.OPERATOR)
    context.add_cookies([{"name": name, "value": value, "url": host.url}])
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    sizes = []
    devtools.on("Network.loadingFinished", lambda done: sizes.append(done["encodedDataLength"]))
    page.goto(f"{host.url}{path}", wait_until="load")
    page.wait_for_selector("#link[data-state=live]")
    page.wait_for_selector(shown)
    context.close()
    return sum(sizes), len(sizes)
