"""How the states of other hosts are kept: each on its own, with its age, never old as new."""

import threading

import pytest

from idroserra.core.config import load_config
from idroserra.core.reasons import Reason
from idroserra.other_hosts.client import NoStatus
from idroserra.other_hosts.service import OLD_MS, OtherHosts
from idroserra.other_hosts.status import Status
from support.access_rig import Clock

GOOD = Status(1, "ok")


class Others:
    """Other hosts whose answers a test sets; each is asked when asked() is waited for."""

    def __init__(self, *names):
        self.clock = Clock()
        self.answers = dict.fromkeys(names, GOOD)
        self.asked = {name: threading.Semaphore(0) for name in names}
        self.may_answer = {name: threading.Event() for name in names}
        for event in self.may_answer.values():
            event.set()
        self.service = OtherHosts(load_config(overrides={"other_host": [
            {"name": name, "url": "http://127.0.0.1:1", "token_file": "x"} for name in names]},
        ).other_host, self.clock, self._ask)
        self.threads = [threading.Thread(target=run) for _, run in self.service.loops()]
        for thread in self.threads:
            thread.start()

    def _ask(self, config):
        self.asked[config.name].release()
        self.may_answer[config.name].wait(60)
        answer = self.answers[config.name]
        if isinstance(answer, Reason):
            raise NoStatus(answer)
        return answer

    def end(self):
        self.service.stop()
        for event in self.may_answer.values():
            event.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture
def others():
    made = []

    def of(*names):
        made.append(Others(*names))
        return made[-1]

    yield of
    for one in made:
        one.end()


def test_a_host_that_hangs_keeps_no_other_and_no_page_waiting(others, eventually):
    rig = others("dead", "good")
    rig.may_answer["dead"].clear()
    rig.may_answer["good"].clear()
    rig.clock.go(60_000)  # the page was not looked at: a look asks at once
    for name in ("dead", "good"):
        assert rig.asked[name].acquire(timeout=60)
    rig.may_answer["good"].set()
    eventually(lambda: rig.service.look()[1].status == GOOD, 5, "the answer of the good one")
    dead = rig.service.look()[0]
    if dead.status is not None:  # from before it hung
        rig.clock.go(OLD_MS + 1)
        dead = rig.service.look()[0]
        assert (dead.status, dead.reason.code) == (None, "other_silent")
    assert dead.name == "dead"


def test_a_failure_has_its_beginning_and_an_answer_ends_it(others, eventually):
    rig = others("north")
    eventually(lambda: rig.service.look()[0].status == GOOD, 5, "the first answer")
    answered = rig.service.look()[0].answered_unix_ms
    rig.answers["north"] = Reason("other_token_refused")
    began = rig.clock.unix_ms + 70_000
    rig.clock.go(70_000)
    eventually(lambda: rig.service.look()[0].reason, 5, "the failure")
    failed = rig.service.look()[0]
    assert (failed.status, failed.failed_unix_ms, failed.answered_unix_ms) == (
        None, began, answered)
    rig.clock.go(70_000)
    rig.answers["north"] = Reason("other_silent", for_ms=1)
    eventually(lambda: rig.service.look()[0].reason.code == "other_silent", 5, "another reason")
    assert rig.service.look()[0].failed_unix_ms == began
    rig.clock.go(70_000)
    rig.answers["north"] = GOOD
    eventually(lambda: rig.service.look()[0].status == GOOD, 5, "an answer")
    found = rig.service.look()[0]
    assert (found.failed_unix_ms, found.reason, found.answered_unix_ms) == (
        None, None, rig.clock.unix_ms)


def test_an_old_answer_is_not_shown_as_new(others, eventually):
    rig = others("north")
    eventually(lambda: rig.service.look()[0].status == GOOD, 5, "the first answer")
    rig.may_answer["north"].clear()  # its thread hangs from here on
    answered = rig.service.look()[0].answered_unix_ms
    rig.clock.go(OLD_MS + 1)
    found = rig.service.look()[0]
    assert (found.status, found.failed_unix_ms, found.reason.code) == (
        None, answered, "other_silent")


def test_without_other_hosts_there_is_no_thread():
    assert OtherHosts((), Clock()).loops() == []
    assert not OtherHosts((), Clock()).are_configured
