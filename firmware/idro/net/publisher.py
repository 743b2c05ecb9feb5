"""Maintains the connection to the broker and publishes the records of the outbox over it.

It connects, subscribes, publishes status and info, then records in ascending order. A PUBACK only
paces; the outbox deletes records on `down/stored` alone, and without progress for 20 s they are
sent again. At most MAX_UNSTORED messages are unconfirmed by the host. Sampling never waits.

No stop arrives over a connection whose subscription the broker has lost, and only the silence of
the host shows it. So a connection without an answer is replaced, ever more rarely until one
comes.

A message for which memory is refused is delayed or dropped, `on_no_memory` is called, and the
others continue: records before info and config.
"""

import asyncio
import gc
from collections import namedtuple

from idro.errors import LinkError, ProtocolError
from idro.net.mqtt_client import Client, Options
from idro.protocol import messages, topics

# open: coroutine (host, port) -> (reader, writer), raising LinkError or OSError.
Broker = namedtuple("Broker", ("host", "port", "node_id", "password", "has_certificate", "open"))
# info() and config_report() return the messages of protocol.messages to publish;
# on_command(payload) and on_update(leaf, payload) get bytes, on_config(pieces) a list of bytes,
# on_stored(payload) returns its Stored, or None if it must be ignored. None of them blocks.
Handlers = namedtuple(
    "Handlers", ("info", "config_report", "on_command", "on_config", "on_stored", "on_update"))

KEEPALIVE_S = 30
RESPONSE_MS = 10_000
RESEND_MS = 20_000
_REPLACE_EVERY = 32  # resends at most, until the connection is replaced
_RETRY_REPORT_MS = 30_000  # after memory was refused for it
_OUT_OF_MEMORY_AFTER = 20
MAX_UNSTORED = 8
MAX_ACKS = 8
MIN_BACK_OFF_MS = 1_000
MAX_BACK_OFF_MS = 20_000
_STOP = b'"stop"'  # a message with it is taken before those that arrived earlier


class Publisher:
    """One task, run(). The other methods may be called at any time and do not block."""

    def __init__(self, broker, outbox, clock, handlers, randint):
        """`randint(low, high)` jitters the back-off; injected to make runs reproducible."""
        self._broker = broker
        self._outbox = outbox
        self._clock = clock
        self._handlers = handlers
        self._randint = randint
        self._wake = asyncio.Event()
        self._acks = []
        self._first_ack = None
        self._update_request = None
        self._reports_due = []  # leaves to publish before anything else: info, config
        self._report_at_ms = 0
        self._position = None  # in the outbox, up to which this connection has published
        self._sent = []  # (boot_id, last seq) of messages not yet stored
        self._progress_ms = 0
        self._resends = 0  # since the last answer
        self.dose_or_handshake = asyncio.Lock()  # see idro.app.dose_task
        self.on_alive = lambda: None  # called in every turn, at least once in a few minutes
        self.on_no_memory = lambda: None
        self._refused_in_a_row = 0  # MemoryErrors since the last publication
        self._refused_since_ms = 0  # the first of them
        self.connected = False
        self.last_stored_ms = None  # uptime at the newest down/stored
        self.stored_sent_at_ms = -1  # when the records of this boot that it answers were sent
        self.must_reconnect = False  # set to end the connection once no Ack waits, nor a dose runs
        self.last_error = ""  # why the last connection ended
        self.refused_count = 0  # incoming messages that were invalid or not for this node
        outbox.on_append = self._wake.set

    def send_ack(self, ack, is_first=False):
        """Queue an Ack. At most MAX_ACKS wait; beyond that the oldest are dropped.

        With `is_first` it is sent before all else, with QoS 0: a host repeats what it is for. Of
        several the newest is sent."""
        if is_first:
            self._first_ack = ack
            self._wake.set()
            return
        if len(self._acks) >= MAX_ACKS:
            self._acks.pop(0)
        self._acks.append(ack)
        self._wake.set()

    @property
    def out_of_memory_ms(self):
        """For how long every attempt to publish was refused memory; 0 before 20 attempts."""
        if self._refused_in_a_row < _OUT_OF_MEMORY_AFTER:
            return 0
        return self._clock.now_ms() - self._refused_since_ms

    @property
    def has_unsent_ack(self):
        """True while an Ack waits."""
        return bool(self._acks) or self._first_ack is not None

    def send_update(self, payload):
        """Publish up/update. Replaces a request that was not sent yet."""
        self._update_request = payload
        self._wake.set()

    def publish_info(self):
        """Publish up/info again."""
        self._report("info")

    def publish_config(self):
        """Publish up/config again, after settings were applied or refused."""
        self._report("config")

    async def run(self):
        """Connect again for ever, with back-off and jitter between attempts."""
        back_off_ms = MIN_BACK_OFF_MS
        while True:
            started_ms = self._clock.now_ms()
            self.on_alive()
            try:
                await self._run_connection()
                back_off_ms = MIN_BACK_OFF_MS  # must_reconnect: the connection was good
            except LinkError as error:
                self.last_error = error.why
            except MemoryError:
                self.last_error = "no memory"
                self._no_memory()
            if self._clock.now_ms() - started_ms >= MAX_BACK_OFF_MS:
                back_off_ms = MIN_BACK_OFF_MS
            half_ms = back_off_ms // 2
            await self._clock.sleep_ms(half_ms + self._randint(0, half_ms))
            back_off_ms = min(2 * back_off_ms, MAX_BACK_OFF_MS)

    async def _run_connection(self):
        broker = self._broker
        client = Client(broker.open, self._clock, self._options(), self._wake.set)
        self.must_reconnect = False
        try:
            await client.open(broker.host, broker.port)
            async with self.dose_or_handshake:
                await client.log_in()
            await client.subscribe(topics.every_down(broker.node_id))
            status = messages.pack_status(True)
            await client.publish(self._up("status"), status, retain=True)
            self._reports_due = ["info", "config"]
            self._rewind()
            self.connected = True
            while True:
                self._wake.clear()
                self.on_alive()
                self._take_messages(client)
                client.check()
                self._send_first_ack(client)
                if self.must_reconnect and not (
                        self.has_unsent_ack or self.dose_or_handshake.locked()):
                    # Bytes on their way may be lost with a connection that ends.
                    if client.is_acknowledged:
                        await client.close(politely=True)
                        return
                    await self._wake.wait()
                elif not (client.has_room and await self._send_what_fits(client)):
                    await self._wake.wait()
        finally:
            self.connected = False
            self._take_messages(client)  # a stop may have come before what ended the connection
            for _ in range(client.refused_count):
                self._no_memory()
            await client.close()

    def _options(self):
        node_id, password = self._broker.node_id, self._broker.password
        # A certificate names its user. RabbitMQ refuses a user name beside it without a password.
        user = None if self._broker.has_certificate and password is None else node_id
        return Options(
            client_id=node_id, user=user, password=password,
            will_topic=self._up("status"), will_payload=messages.pack_status(False),
            keepalive_s=KEEPALIVE_S, response_ms=RESPONSE_MS)

    # Up.

    async def _send_what_fits(self, client):
        """Publish the next message for which there is memory; False if there is none."""
        is_report = bool(self._reports_due) and self._clock.now_ms() >= self._report_at_ms
        try:
            is_sent = await self._send_next(client, is_report)
        except MemoryError:
            if is_report:
                self._report_at_ms = self._clock.now_ms() + _RETRY_REPORT_MS
            self._no_memory()
            return is_report  # then continue with records
        if is_sent:
            self._refused_in_a_row = 0
        return is_sent

    def _send_first_ack(self, client):
        if self._first_ack is None:
            return
        try:
            client.publish_first(self._up("ack"), messages.pack_ack(self._first_ack))
            self._first_ack = None
        except MemoryError:
            self._no_memory()

    def _no_memory(self):
        if not self._refused_in_a_row:
            self._refused_since_ms = self._clock.now_ms()
        self._refused_in_a_row += 1
        gc.collect()
        self.on_no_memory()

    async def _send_next(self, client, is_report):
        """Publish the next message; False if there is none."""
        if is_report:
            leaf = self._reports_due[0]
            payload = self._report_payload(leaf)
            await client.publish(self._up(leaf), payload, retain=True)
            self._reports_due.remove(leaf)
            return True
        if self._acks:
            ack = self._acks[0]
            payload = messages.pack_ack(ack)
            await client.publish(self._up("ack"), payload)
            if ack in self._acks:
                self._acks.remove(ack)
            return True
        if self._update_request is not None:
            payload, self._update_request = self._update_request, None
            await client.publish(self._up("update"), payload, qos=0)
            return True
        return await self._send_records(client)

    async def _send_records(self, client):
        now_ms = self._clock.now_ms()
        if self._sent and now_ms - self._progress_ms >= RESEND_MS:
            self._rewind()
            self._resends += 1
            if self._resends & (self._resends - 1) == 0 or self._resends % _REPLACE_EVERY == 0:
                self.must_reconnect = True
                self._wake.set()
                return False
        if len(self._sent) >= MAX_UNSTORED:
            return False
        is_all_sent = self._position == self._outbox.newest
        most = 1 if self._refused_in_a_row else messages.MAX_RECORDS
        found = None if is_all_sent else self._outbox.next_batch(self._position, most)
        if found is None:
            return False
        leaf, batch, position = found
        if not self._sent:
            self._progress_ms = now_ms
        await client.publish(self._up(leaf), messages.batch_pieces(batch))
        self._sent.append((batch.boot_id, batch.records[-1].seq))
        self._position = position
        return True

    def _up(self, leaf):
        return topics.up(self._broker.node_id, leaf)

    def _report_payload(self, leaf):
        if leaf == "info":
            return messages.info_pieces(self._handlers.info())
        return messages.config_report_pieces(self._handlers.config_report())

    def _report(self, leaf):
        if leaf not in self._reports_due:
            self._reports_due.append(leaf)
        self._wake.set()

    def _rewind(self):
        self._position = None
        self._sent = []
        self._progress_ms = self._clock.now_ms()

    # Down.

    def _take_messages(self, client):
        while True:
            message = client.take_message(_STOP)
            if message is None:
                return
            try:
                self._take(message)
            except ProtocolError:
                self.refused_count += 1
            except MemoryError:
                self._no_memory()

    def _take(self, message):
        node_id, direction, leaf = topics.parse(message.topic)
        if node_id != self._broker.node_id or direction != "down":
            raise ProtocolError("topic: not for this node")
        payload = message.payload
        if leaf == "config":
            self._handlers.on_config(payload if isinstance(payload, list) else [payload])
        elif message.retain:
            raise ProtocolError(f"{leaf}: never retained")
        elif isinstance(payload, list):
            raise ProtocolError(f"{leaf}: too large")
        elif leaf == "command":
            self._handlers.on_command(payload)
        elif leaf == "stored":
            self._take_stored(self._handlers.on_stored(payload))
        else:
            self._handlers.on_update(leaf, payload)

    def _take_stored(self, stored):
        if stored is None:
            self.refused_count += 1
            return
        self._resends = 0
        self._outbox.stored(stored.boot_id, stored.seq_upto)
        left = []
        for boot_id, seq in self._sent:
            if boot_id != stored.boot_id or seq > stored.seq_upto:
                left.append((boot_id, seq))
        self.last_stored_ms = self._clock.now_ms()
        if stored.sent_at_ms is not None:
            self.stored_sent_at_ms = stored.sent_at_ms
        if len(left) < len(self._sent):
            self._progress_ms = self.last_stored_ms
        self._sent = left
