"""S16: what a host listens on beyond this machine: nothing, or the page over TLS alone.

Of a whole install, broker and database included: tests/integration/test_compose.py."""

from support.listening_ports import LOOPBACK, listening
from support.real_host import standing_host


def test_a_host_without_lan_listens_on_loopback_alone(tmp_path):
    before = listening()
    with standing_host(tmp_path):
        opened = listening() - before
    assert opened, "the page at least"
    assert {address for address, _ in opened} == {LOOPBACK}
