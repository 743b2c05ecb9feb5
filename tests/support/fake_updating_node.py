"""A scripted node that downloads a release over MQTT, with retries, and then acts as `fate`."""

import hashlib
import queue
import threading

from idro.protocol import messages, messages_host, system_host, topics, update_messages
from idro.protocol.reason import Reason
from idro.protocol.release_layout import KERNEL
from support.node_answers import done_reason
from support.paho_node import BOOT_ID, CHANNELS, OUTPUTS, PahoNode

AGAIN_S = 0.5
PIECE_BYTES = 768


class UpdatingNode(PahoNode):
    """fate: "ok" (trial, then confirmed), "reverted", "trial" (never ends), or "waits" (for a
    quiet moment, until it is cancelled)."""

    def __init__(self, node, port, key=b"k" * 32):
        self.running = messages.RunningRelease("", "base", "", 1, KERNEL)
        self.fate = "ok"
        self.refusal = None  # the Reason to refuse an offer
        self.offers = []
        self.cancelled = threading.Event()
        self.received = {}  # path: bytes, of the newest release
        self.stops_after = None  # number of requests after which it goes silent
        self.asks = 0
        self._pieces = queue.SimpleQueue()
        self._number = 0
        super().__init__(node, port, key)
        self._client.on_connect = self._again

    def _again(self, client, *_):
        """Subscribe and publish the status after a reconnect."""
        client.subscribe(f"idro/v1/{self.node}/down/#", qos=1)
        client.publish(topics.up(self.node, "status"), messages.pack_status(True), qos=1,
                       retain=True)

    def announce(self):
        self._publish("status", messages.pack_status(True))
        self.say_what_runs()
        self.report(0)

    def say_what_runs(self):
        self._publish("info", messages_host.pack_info(messages.Info(
            "0.1.0", "esp32-reservoir", "esp32", BOOT_ID, self.at_ms, self._boot_unix_ms, "host",
            "power_on", "ab" * 32, CHANNELS, OUTPUTS, (), True, 100, 0, self.running,
            system_host.UNKNOWN_SYSTEM)))

    def _on_message(self, client, userdata, message):
        leaf = topics.parse(message.topic)[2]
        if leaf == "update_data":
            self._pieces.put(update_messages.unpack_chunk(message.payload))
        elif leaf == "update":
            signed = update_messages.unpack_update(self.node, message.payload)
            self._check(signed)
            outcome, reason = "done", done_reason(signed.message)
            if self.refusal is not None and signed.message.verb == "offer":
                outcome, reason = "refused", self.refusal
            client.publish(topics.up(self.node, "ack"), messages.pack_ack(messages.Ack(
                signed.message.id, outcome, reason, BOOT_ID, self.at_ms)), qos=1)
            if signed.message.verb == "cancel":
                self.cancelled.set()
            elif outcome == "done":
                self.offers.append(signed.message.args)
                self.cancelled.clear()
                threading.Thread(target=self._take, args=(signed.message.args,),
                                 daemon=True).start()
        else:
            super()._on_message(client, userdata, message)

    def _take(self, offer):
        text = self._whole(offer, "manifest", offer.size)
        if text is None:
            return
        assert hashlib.sha256(text).hexdigest() == offer.sha256
        for line in text.decode().splitlines()[6:-1]:
            sha256, size, path = line.split()
            data = self._whole(offer, path, int(size))
            if data is None:
                return
            assert hashlib.sha256(data).hexdigest() == sha256, path
            self.received[path] = data
        if self.fate == "waits":
            about = {"release": offer.sha256[:16], "version": offer.version}
            self.tell("update_downloaded", about)
            self.cancelled.wait()
            self.tell("update_refused", about | {"reason": Reason("cancelled", by="ada")})
            return
        self.running = messages.RunningRelease("a", "trial", offer.sha256, 1, KERNEL)
        self.say_what_runs()
        if self.fate == "ok":
            self.running = self.running._replace(state="ok")
        elif self.fate == "reverted":
            self.tell("update_reverted", {
                "release": offer.sha256[:16], "version": offer.version,
                "reason": Reason("memory_low", free_kb=18)})
            self.running = messages.RunningRelease("", "base", "", 1, KERNEL)
        self.say_what_runs()

    def _whole(self, offer, path, size):
        data = b""
        while len(data) < size:
            if self.cancelled.is_set() or self.asks == self.stops_after:
                return None
            self.asks += 1
            self._number = (self._number + 1) % 65_536
            request = update_messages.ChunkRequest(
                offer.sha256, self._number, path, len(data), PIECE_BYTES)
            self._client.publish(
                topics.up(self.node, "update"), update_messages.pack_chunk_request(request))
            data += self._answer(offer)
        return data

    def _answer(self, offer):
        """Return the data for the last request, b"" after a time-out."""
        try:
            while True:
                piece = self._pieces.get(timeout=AGAIN_S)
                if piece.number == self._number and piece.sha8.hex() == offer.sha256[:16]:
                    return piece.data
        except queue.Empty:
            return b""
