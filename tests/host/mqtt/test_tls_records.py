"""The subscriber reads all that a TLS connection has, not one record a turn."""

import socket
import ssl
import threading

from idroserra.mqtt.subscriber import _receive
from support.line_rig import NODES, Rig, trusting

MESSAGES = [b"message %d" % number for number in range(200)]


def test_many_small_records_are_read_at_once(tmp_path):
    rig = Rig(tmp_path)
    broker = rig.line.broker.path
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(broker / "server.pem", broker / "server.key")
    ours, theirs = socket.socketpair()
    is_sent, may_end = threading.Event(), threading.Event()

    def serve():
        with context.wrap_socket(theirs, server_side=True) as server:
            for message in MESSAGES:
                server.sendall(message)  # a record each, as mosquitto does
            is_sent.set()
            may_end.wait(60)

    thread = threading.Thread(target=serve)
    thread.start()
    with trusting(rig, rig.files(NODES[0])).wrap_socket(ours, server_hostname="localhost") as mine:
        assert is_sent.wait(60)
        mine.setblocking(False)
        assert _receive(mine, memoryview(bytearray(100_000))) == b"".join(MESSAGES)
        may_end.set()
    thread.join()
