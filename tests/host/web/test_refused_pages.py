"""Pages with nothing to show: unknown addresses and wrong roles, which are JSON for a program, and
an overview without a node."""

import pytest

from idroserra.auth.roles import Role

PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def browse(host):
    """Return browse(role, path, language): the answer that a browser of this user gets."""
    def got(role, path, language="en"):
        client = host.client_with()
        if role is not None:
            client.cookies.set(*host.session_of(role))
        return client.get(path, headers=PAGE | {"Accept-Language": language})

    return got


@pytest.mark.parametrize("path", [
    "/nowhere", "/nodes/idro-a/nothing", "/nodes/nowhere", "/nodes/nowhere/report",
    "/nodes/nowhere/calibrate", "/sites/nowhere"])
def test_an_unknown_address_is_a_page_with_a_way_on(browse, path):
    answer = browse(Role.VIEWER, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert '<main id="main"' in answer.text
    assert 'href="/"' in answer.text.partition("<main")[2]


def test_a_page_of_another_role_says_which_in_the_readers_language(browse):
    answer = browse(Role.VIEWER, "/users", "it")
    assert answer.status_code == 403
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    assert 'data-needs-role="admin"' in main
    assert 'href="/account"' in main
    assert "amministratore" in main
    assert "your role" not in main
    assert browse(Role.OPERATOR, "/users", "zh").status_code == 403


def test_what_a_page_cannot_show_is_said_on_a_page(browse, host):
    host.node("idro-a")
    answer = browse(Role.VIEWER, "/nodes/idro-a/report?since=planting")
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert "planting" in answer.text


def test_a_program_gets_json_and_a_stranger_sees_nothing(browse, host):
    assert host.client.get("/nowhere").json() == {"error": "Not Found"}
    viewer = host.client_with(host.service.access.tokens.make("eye", Role.VIEWER, "tests"))
    assert viewer.get("/users").json()["error"] == "your role is viewer: this needs admin"
    assert browse(Role.VIEWER, "/api/users").json()["error"].startswith("your role")
    assert browse(Role.VIEWER, "/api/nowhere").json() == {"error": "Not Found"}
    host.node("secret-node")
    for path in ("/nowhere", "/docs/nowhere"):
        answer = browse(None, path)
        assert "secret-node" not in answer.text
        assert answer.status_code in (303, 404)


def test_an_empty_overview_leads_an_admin_to_adding_a_node(browse):
    empty = [browse(role, "/").text.partition('id="empty"')[2].partition("</section>")[0]
             for role in (Role.ADMIN, Role.VIEWER)]
    assert 'href="/settings/nodes"' in empty[0]
    assert "href" not in empty[1]
    assert all("<code>" not in one and "idroserra" not in one for one in empty)
