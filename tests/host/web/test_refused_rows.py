"""Requests of a viewer fill no disk: what the audit log keeps of refused ones."""

import json

from idroserra.auth.audit import verify
from idroserra.auth.refusal_rows import MOST_ROWS
from idroserra.auth.roles import Role
from support.real_host import own_host

host = own_host
SECRET = "the text of a viewer"


def test_refused_requests_keep_their_status_and_no_text(host):
    host.node("idro-a")
    audit = host.service.access.audit
    viewer = host.client_with(host.service.access.tokens.make("wall", Role.VIEWER, "tests"))
    for _ in range(MOST_ROWS + 5):
        for method, path, status in (("POST", "/api/nodes/idro-a/commands", 403),
                                     ("POST", "/api/stock/recipe", 422),
                                     ("PUT", "/api/account/preferences", 422)):
            body = {"text": SECRET * 100, "target": SECRET}
            assert viewer.request(method, path, json=body).status_code == status
    rows = [row for row in audit.newest(1_000) if row.who == "token wall"]
    assert [(row.action, row.target, row.result, json.loads(row.detail)) for row in rows] == [
        ("command", "idro-a", "refused", {"status": 403})] * MOST_ROWS
    assert not any(SECRET in "".join(map(str, row)) for row in audit.newest(1_000))
    assert verify(host.config.data_dir / "audit.db")[0] == audit.newest(1)[0].seq


def test_what_is_done_always_has_its_row(host):
    host.node("idro-b")
    audit = host.service.access.audit
    operator = host.client_with(host.service.access.tokens.make("hand", Role.OPERATOR, "tests"))
    for number in range(MOST_ROWS + 5):
        assert operator.put("/api/nodes/idro-b/config", json={"values": {
            "ph.target": -1}}).status_code == 422
        assert operator.put("/api/nodes/idro-b/config", json={"values": {
            "ph.target": 5.5 + number / 100}}).status_code == 200
    rows = [row.result for row in audit.newest(1_000) if row.who == "token hand"]
    assert (rows.count("done"), rows.count("refused")) == (MOST_ROWS + 5, MOST_ROWS)
