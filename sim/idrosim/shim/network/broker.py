"""Simulated MQTT 3.1.1 broker for one node at a time.

Bytes of the node are processed at once; every answer arrives after two latencies. A protocol error
closes the connection.
"""

from idrosim.shim.network import mqtt_packets as wire

WINDOW = 20  # messages with QoS 1 on the way without PUBACK, as mosquitto limits them
NOT_AUTHORIZED = b"\0\5"  # return code of CONNACK


class Broker:
    """Accepts connections of the node and passes its messages to the host."""

    def __init__(self, latency_us, host):
        self._round_trip_us = 2 * latency_us
        self._host = host
        self._peer = None
        self.is_refusing = False  # every login
        self.is_doubling = False  # delivers everything twice

    def accept(self, socket):
        """Return the peer of a new connection, which replaces an older one as in MQTT."""
        self._peer = _Peer(self, socket)
        return self._peer

    def send(self, topic, payload, retain=False, qos=1):
        """Publish to the node. Return True if it has a subscription to `topic`.

        A message with QoS 0 passes those that wait for room in the window."""
        peer = self._peer
        if peer is None or peer.qos_of(topic) is None:
            return False
        peer.publish(topic, payload, retain, qos)
        return True

    def gone(self, peer, will):
        """Handle the end of a connection; publish its last will, if any."""
        if peer is self._peer:
            self._peer = None
        if will is not None:
            self._host.received(will[0], will[1])

    def arrived(self, topic, payload):
        """Handle a PUBLISH of the node."""
        self._host.received(topic, payload)

    def refused(self, error):
        """Report a connection that ends by a protocol error."""
        self._host.refused(error)

    def subscribed(self, topic):
        """Handle a subscription to the filter `topic`."""
        self._host.subscribed(topic)

    def reply(self, socket, data):
        """Deliver `data` to the node after the round trip."""
        socket.deliver(data, self._round_trip_us)


class _Peer:
    """The broker side of one connection."""

    def __init__(self, broker, socket):
        self._broker = broker
        self._socket = socket
        self._reader = wire.PacketReader()
        self._will = None
        self._is_connected = False
        self._last_id = 0
        self._waiting = []  # (packet id, packet) beyond the window
        self._on_the_way = []  # packet ids without PUBACK
        self._subscriptions = {}

    def qos_of(self, topic):
        """Return the QoS of the node's subscription to `topic`, None without one."""
        level = topic.rpartition("/")[0] + "/+"
        return self._subscriptions.get(topic, self._subscriptions.get(level))

    def received(self, data):
        """Process bytes of the node."""
        try:
            for first, body in self._reader.feed(data):
                self._packet(first >> 4, first, body)
        except ValueError as error:
            self._broker.refused(error)
            self.closed()
            self._socket.reset_by_peer()

    def publish(self, topic, payload, retain, qos):
        """Send one message with QoS `qos`, at most that of the subscription."""
        if not qos or not self.qos_of(topic):
            self._reply(wire.publish(topic, payload, None, retain))
            return
        self._last_id = self._last_id % 65_535 + 1
        self._waiting.append((self._last_id, wire.publish(topic, payload, self._last_id, retain)))
        self._fill_window()

    def _fill_window(self):
        while self._waiting and len(self._on_the_way) < WINDOW:
            packet_id, packet = self._waiting.pop(0)
            self._on_the_way.append(packet_id)
            self._reply(packet)
            if self._broker.is_doubling:
                self._reply(bytes((packet[0] | wire.DUP,)) + packet[1:])

    def _acknowledged(self, packet_id):
        if packet_id in self._on_the_way:
            self._on_the_way.remove(packet_id)
            self._fill_window()

    def closed(self):
        """Handle the end of the connection without a DISCONNECT."""
        will, self._will = self._will, None
        self._broker.gone(self, will)

    def _reply(self, data):
        self._broker.reply(self._socket, data)

    def _packet(self, kind, first, body):
        if not self._is_connected and kind != wire.CONNECT:
            raise ValueError("first packet is not CONNECT")
        if kind == wire.PUBLISH:
            topic, payload, packet_id = wire.read_publish(first, body)
            if packet_id is not None:
                self._reply(wire.packet(wire.PUBACK << 4, wire.u16(packet_id)))
            self._broker.arrived(topic, payload)
        elif kind == wire.CONNECT:
            self._connect(body)
        elif kind == wire.SUBSCRIBE:
            packet_id, filters = wire.read_subscribe(body)
            granted = bytes(min(qos, 1) for _, qos in filters)
            self._reply(wire.packet(wire.SUBACK << 4, wire.u16(packet_id) + granted))
            for topic, qos in filters:
                self._subscriptions[topic] = min(qos, 1)
                self._broker.subscribed(topic)
        elif kind == wire.PINGREQ:
            self._reply(wire.packet(wire.PINGRESP << 4, b""))
        elif kind == wire.DISCONNECT:
            self._will = None
            self.closed()
        elif kind == wire.PUBACK:
            self._acknowledged(wire.read_u16(body, 0))
        else:
            raise ValueError(f"packet type {kind}")

    def _connect(self, body):
        protocol, at = wire.read_text(body, 0)
        if self._is_connected or protocol != "MQTT" or body[at] != 4:
            raise ValueError("not a first CONNECT of MQTT 3.1.1")
        flags = body[at + 1]
        _, at = wire.read_text(body, at + 4)
        if flags & 4:
            topic, at = wire.read_text(body, at)
            size = wire.read_u16(body, at)
            self._will = (topic, body[at + 2 : at + 2 + size])
        if self._broker.is_refusing:
            self._will = None
            self._reply(wire.packet(wire.CONNACK << 4, NOT_AUTHORIZED))
            self._reply(b"")
            return
        self._is_connected = True
        self._reply(wire.packet(wire.CONNACK << 4, b"\0\0"))
