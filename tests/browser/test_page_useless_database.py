"""The page of a host whose database gives no answer: one sentence, and the rest works."""

import time

import pytest
from playwright.sync_api import expect

from support.pages import PHONE
from support.real_host import Host
from support.useless_database import ANSWERS, useless_database


@pytest.fixture(params=list(ANSWERS))
def host(request, tmp_path, mosquitto, eventually):
    with useless_database(request.param) as url:
        running = Host(tmp_path / "host", mosquitto.port, eventually, more={
            "store": {"kind": "influx", "url": url, "write_api": "v2", "timeout_ms": 1_500}})
        yield running
        running.stop()


def test_what_the_database_says_is_one_sentence_of_ours(host, tab):
    node = host.node("idro-a")
    node.live(5)
    now = time.time_ns() // 1_000_000
    began_s = time.monotonic()
    for path in ("series?channels=reservoir.ph&", "events?", "balance?days=7&time_zone=UTC&"):
        answer = host.client.get(f"/api/nodes/idro-a/{path}from_unix_ms={now - 10**7}"
                                 f"&to_unix_ms={now}")
        if path.startswith("balance") and answer.status_code == 422:
            continue
        assert answer.status_code == 503
        said = answer.json()
        assert said["error"].startswith("History cannot be read from the database.")
        assert 0 < len(said["detail"]) < 500
        assert "<" not in said["detail"]
        assert now - 60_000 < said["since_unix_ms"] <= now + 60_000
    assert time.monotonic() - began_s < 60  # a silent database is not asked again at once
    shown = tab(PHONE)
    page = shown.open("/nodes/idro-a")
    trouble = page.locator("#history-trouble")
    expect(trouble.locator("strong")).to_contain_text("History cannot be read")
    expect(trouble.locator("strong")).to_contain_text("since")
    assert page.get_by_text("History cannot be read").count() == 1
    assert page.get_by_text("Upgrade to Enterprise").filter(visible=True).count() == 0
    trouble.locator("summary").click()
    expect(trouble.locator("code")).to_be_visible()
    expect(page.locator("#tiles")).to_contain_text("pH")
    shown.troubles = [one for one in shown.troubles if "503" not in one]
    shown.check()
