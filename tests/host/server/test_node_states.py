"""The states of nodes after a restart of the host: nothing that still holds is forgotten."""

import pytest

from idro.protocol.reason import Reason
from idroserra.ingest.store_writer import StoreWriter
from support import host_without_broker
from support.host_without_broker import HostWithoutBroker

DAY_MS = 86_400_000


@pytest.mark.parametrize("days", [0, 2, 20])
def test_a_loop_that_waits_for_days_still_waits_after_a_restart_of_the_host(
    days, tmp_path, monkeypatch
):
    host = HostWithoutBroker(tmp_path)
    host.boot()
    host.read()
    host.tell("armed")
    waits = Reason("ph_high_blocked", why=Reason("circulation_off"))
    host.tell("decided", waits, loop="ph")
    while StoreWriter(host.service.spool, host.service.store, lambda: host.unix_ms).move_block():
        pass
    host.close()

    monkeypatch.setattr(host_without_broker, "BEGIN_UNIX_MS", host.unix_ms + days * DAY_MS)
    later = HostWithoutBroker(tmp_path)
    later.resume(host)
    later.connect(online=True)
    later.report()
    later.read()
    assert later.service.states.of(later.node).cause == waits
    later.close()
