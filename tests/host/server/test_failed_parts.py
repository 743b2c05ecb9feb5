"""A part of the host that failed is shown as long as its alarm is active."""

from idroserra.alarms.rules import load_rules
from idroserra.nodes.host_health import host_problems
from support.host_without_broker import HostWithoutBroker

WINDOW_MS = load_rules()["host_failed"].window_s * 1_000


def test_a_failed_part_is_a_problem_as_long_as_an_alarm(tmp_path):
    host = HostWithoutBroker(tmp_path)

    def fail():
        host.service._stopping.set()
        raise RuntimeError("odd")

    host.service._supervise("reader", fail)
    host.unix_ms += WINDOW_MS - 1
    failures = host.service.counts()["failures"]
    assert failures == {"reader": "RuntimeError: odd"}
    assert [one["text"] for one in host_problems({"failures": failures})] == [
        "The host's reader failed and was restarted: RuntimeError: odd"]
    host.unix_ms += 1
    assert host.service.counts()["failures"] == {}
    host.close()
