"""The trial of a certificate that came over the air. Imported only on boards with TLS.

In NVS `tls_cert` is in use; `tls_next` is on trial while `tls_tries` is not 0. The new one stays
once the host has confirmed records that were sent over a connection made with it. After 15
minutes, or at the third reset, the old one is used again for good. Whenever a connection with one
of them ends, the next is made with the other: a useless certificate delays a command by no more
than one failed attempt.
"""

import binascii

from idro.net.tls import Tls
from idro.protocol.reason import Reason
from idro.safety.outputs import Refused

_TRIAL_MS = 900_000
_MAX_DER_BYTES = 512  # of a certificate, or its key
_BOOTS = 3  # that try it, with the one that received it
_ERASED = b"\0"  # the store removes no entry


class CertificateTrial:
    """Chooses the certificate of each connection. start() must be called before take()."""

    def __init__(self, store, clock, record_event):
        self._store = store
        self._clock = clock
        self._record_event = record_event
        self._in_use = store.blob("tls_cert", _MAX_DER_BYTES)
        self._next = None  # on trial
        self._is_next = False  # the newest connection was made with it
        self._connected_ms = self._ends_ms = 0
        self._continue()

    def opener(self, open_plain):
        """Return the coroutine open(host, port) of encrypted connections."""
        ca, key = [self._store.blob(name, _MAX_DER_BYTES) for name in ("tls_ca", "tls_key")]
        return Tls(ca, key, self.certificate, open_plain).open

    def start(self, publisher):
        """Check the trial in every turn of the publisher. Return take()."""
        self._publisher = publisher
        on_alive = publisher.on_alive

        def check():
            on_alive()
            self._check()

        publisher.on_alive = check
        return self.take

    def certificate(self):
        """Return the certificate to connect with, in DER, or None."""
        self._connected_ms = self._clock.now_ms()
        self._is_next = self._next is not None and not self._is_next
        return self._next if self._is_next else self._in_use

    def take(self, args, by, answer):
        """Put a new certificate on trial, or answer what became of it. Raises Refused."""
        try:
            der = binascii.a2b_base64(args["der"])
        except ValueError:
            der = b""
        if not _is_der(der):
            raise Refused(Reason("certificate_malformed"))
        if der == self._in_use:
            if self._next is not None:
                self._give_back()
            answer("done", Reason("certificate_in_use"))
            return
        if der != self._next:
            self._save(der)
            self._begin(der)
            self._record_event(
                "certificate", {"by": by, "reason": Reason("certificate_on_trial")})
        answer("done", Reason("certificate_on_trial"))
        if not self._is_next:
            self._publisher.must_reconnect = True

    def _check(self):
        """Keep the new certificate, or give it back, when it is time."""
        if self._next is None:
            return
        if self._clock.now_ms() >= self._ends_ms:
            self._give_back()
        elif self._is_next and self._publisher.stored_sent_at_ms >= self._connected_ms:
            self._keep()

    def _continue(self):
        """Continue the trial, or its end, that a reset or power cut interrupted."""
        der = self._store.blob("tls_next", _MAX_DER_BYTES)
        if not _is_der(der):
            return
        tries = (self._store.number("tls_tries") or 0) - 1
        if der == self._in_use:
            self._end("certificate_in_use")
        elif tries <= 0:
            self._end("certificate_given_back")
        else:
            try:
                self._store.put(tls_tries=tries)
                self._begin(der)
            except OSError as error:  # not counted, so not tried
                print("no trial of the certificate:", error)

    def _save(self, der):
        """Store a new certificate: not on trial before it is whole. Raises Refused."""
        try:
            self._store.put(tls_tries=0)
            self._store.put(tls_next=der)
            self._store.put(tls_tries=_BOOTS)
        except OSError as error:
            raise Refused(Reason("not_recorded", detail=repr(error))) from None

    def _begin(self, der):
        self._next = der
        self._is_next = False
        self._ends_ms = self._clock.now_ms() + _TRIAL_MS

    def _keep(self):
        try:
            self._store.put(tls_cert=self._next)
        except OSError as error:  # repeated until the trial ends
            print("certificate not saved:", error)
            return
        self._in_use, self._next = self._next, None
        self._end("certificate_in_use")

    def _give_back(self):
        self._next = None
        self._end("certificate_given_back")
        if self._is_next:
            self._publisher.must_reconnect = True

    def _end(self, code):
        """Erase the new certificate last: a boot that finds it without tries repeats the event."""
        try:
            self._store.put(tls_tries=0)
            self._record_event("certificate", {"by": "", "reason": Reason(code)})
            self._store.put(tls_next=_ERASED)
        except OSError as error:  # repeated at the next boot
            print("trial of the certificate not ended:", error)


def _is_der(data):
    """True for one whole DER sequence of at most 512 bytes."""
    if data is None or not 2 <= len(data) <= _MAX_DER_BYTES or data[0] != 0x30:
        return False
    head = 2 if data[1] < 0x80 else data[1] - 0x7E
    size = data[1] if head == 2 else int.from_bytes(data[2:head], "big")
    return len(data) == head + size
