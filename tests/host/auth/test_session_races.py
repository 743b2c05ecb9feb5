"""Requests of one session at the same time: none is sent to the log-in page."""

from concurrent.futures import ThreadPoolExecutor

from idroserra.auth.roles import Role
from idroserra.auth.service import AuthService, Visitor
from idroserra.core.sections.access import AccessConfig

PASSWORD = "correct horse battery 9"


def test_no_request_ends_the_session_of_another(tmp_path):
    access = AuthService(tmp_path, AccessConfig(), lambda: 1_795_507_200_000)
    access.users.add("anna", Role.OPERATOR, PASSWORD)
    session = access.log_in("anna", PASSWORD, Visitor())
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: access.authenticate(session, "", "host"), range(6_000)))
        counts = list(pool.map(lambda _: access.sessions.count("anna"), range(600)))
    assert None not in found
    assert set(counts) == {1}
    access.close()
