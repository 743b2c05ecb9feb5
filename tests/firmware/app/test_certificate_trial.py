"""A new certificate over the air: its trial, and power cuts at each write to NVS."""

import base64

import pytest

from idro.app.certificate_trial import CertificateTrial
from idro.protocol import messages, messages_host
from idro.safety.outputs import Refused

MINUTE_MS = 60_000
MAX_DER_BYTES = 512
TRIAL_MINUTES = 15
BOOTS = 3
WRITES_TO_BEGIN = 3


def der(letter, size=MAX_DER_BYTES):
    """Return a DER sequence of `size` bytes."""
    return b"\x30\x82" + (size - 4).to_bytes(2, "big") + letter * (size - 4)


OLD, NEW, NEWER = der(b"o", 500), der(b"n"), der(b"m", 300)


class PowerCut(Exception):
    """The supply has failed."""


class Store:
    """NVS. The supply fails before or after the n-th write; `is_full` refuses writes."""

    def __init__(self):
        self.values = {"tls_cert": OLD}
        self.cut_at, self.is_written, self.is_full = None, False, False
        self.writes = 0

    def blob(self, key, max_bytes):
        found = self.values.get(key)
        assert found is None or len(found) <= max_bytes
        return found

    def number(self, key):
        return self.values.get(key)

    def put(self, **values):
        assert len(values) == 1, "one write at a time: their order is not that of the call"
        if self.is_full:
            raise OSError(0x1105, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")
        self.writes += 1
        if self.writes != self.cut_at:
            self.values.update(values)
            return
        if self.is_written:
            self.values.update(values)
        self.cut_at = None
        raise PowerCut


class Board:
    """A node, the certificates that its broker accepts, and a host that stores or not."""

    def __init__(self, accepts=(OLD, NEW), stores=True):
        self.accepts, self.stores = accepts, stores
        self.store = Store()
        self.uptime_ms = 0
        self.events, self.presented = [], []
        self.boot()

    def now_ms(self):
        return self.uptime_ms

    def boot(self):
        self.uptime_ms = 10_000
        self.connected_with, self.must_reconnect = None, False
        self.stored_sent_at_ms = -1
        self.on_alive = lambda: None  # which the publisher calls in every turn
        self.trial = CertificateTrial(
            self.store, self, lambda kind, detail: self.events.append(
                (kind, detail["reason"].code, detail["by"])))
        assert self.trial.start(self) == self.trial.take

    def turn(self):
        """Let the publisher do what it does in each turn."""
        self.on_alive()
        if self.must_reconnect:
            self.connected_with, self.must_reconnect = None, False

    def command(self, certificate):
        """Return the code of the answer."""
        codes = []
        try:
            self.trial.take(
                {"der": base64.b64encode(certificate).decode()}, "ann",
                lambda outcome, reason: codes.append(f"{outcome} {reason.code}"))
        except Refused as refused:
            codes.append(f"refused {refused.reason.code}")
        (code,) = codes
        return code

    def run(self, minutes=1):
        """Connect and have records stored, in turns of 10 s."""
        for _ in range(minutes * 6):
            self.turn()
            if self.connected_with is None:
                self.presented.append(self.trial.certificate())
                if self.presented[-1] in self.accepts:
                    self.connected_with = self.presented[-1]
            self.uptime_ms += 10_000
            if self.connected_with is not None and self.stores:
                self.stored_sent_at_ms = self.uptime_ms - 1_000
            self.turn()

    @property
    def trials(self):
        return [code for _, code, _ in self.events]

    @property
    def has_trial(self):
        return bool(self.store.values.get("tls_tries"))


def test_a_certificate_that_works_replaces_the_old_one():
    board = Board()
    board.run()
    assert board.command(NEW) == "done certificate_on_trial"
    assert board.store.values["tls_cert"] == OLD
    board.run()
    assert board.connected_with == NEW
    assert board.store.values == {"tls_cert": NEW, "tls_tries": 0, "tls_next": b"\0"}
    assert board.command(NEW) == "done certificate_in_use"
    assert board.events == [("certificate", "certificate_on_trial", "ann"),
                            ("certificate", "certificate_in_use", "")]
    board.boot()
    board.presented.clear()
    board.run(30)
    assert board.presented == [NEW]


def test_a_refused_certificate_delays_no_connection_with_the_old_one_and_is_given_back():
    board = Board(accepts=(OLD,))
    board.run()
    board.command(NEW)
    board.run()
    assert board.presented == [OLD, NEW, OLD]
    assert board.connected_with == OLD
    assert board.command(NEW) == "done certificate_on_trial"  # and one more attempt
    board.run(13)
    assert board.presented == [OLD, NEW, OLD, NEW, OLD]
    assert board.has_trial
    board.run(2)
    assert board.store.values == {"tls_cert": OLD, "tls_tries": 0, "tls_next": b"\0"}
    assert board.trials == ["certificate_on_trial", "certificate_given_back"]
    board.connected_with = None
    board.run(60)
    assert board.presented[-1] == OLD
    assert board.command(NEW) == "done certificate_on_trial"  # from the beginning


def test_without_confirmed_records_it_is_given_back():
    board = Board(stores=False)
    board.run()
    board.command(NEW)
    board.run(14)
    assert board.connected_with == NEW
    assert board.command(NEW) == "done certificate_on_trial"
    assert not board.must_reconnect  # a repetition does not end what is under way
    board.run(2)
    assert (board.connected_with, board.store.values["tls_cert"]) == (OLD, OLD)
    assert not board.has_trial


def test_records_sent_before_the_connection_prove_nothing():
    board = Board()
    board.command(NEW)
    assert board.trial.certificate() == NEW
    for sent_at_ms in (-1, board.uptime_ms - 1):
        board.stored_sent_at_ms = sent_at_ms
        board.turn()
        assert board.has_trial
    board.stored_sent_at_ms = board.uptime_ms
    board.turn()
    assert board.store.values["tls_cert"] == NEW


def test_records_stored_over_the_old_certificate_prove_nothing():
    board = Board(accepts=(OLD,))
    board.command(NEW)
    board.run(10)
    assert board.stored_sent_at_ms > board.uptime_ms - MINUTE_MS
    assert board.store.values["tls_cert"] == OLD


def test_each_boot_tries_it_once_more_and_the_third_reset_gives_it_back():
    board = Board(accepts=(OLD,))
    board.command(NEW)
    for left in range(BOOTS - 1, 0, -1):
        board.boot()
        assert board.store.values["tls_tries"] == left
        board.presented.clear()
        board.run()
        assert board.presented == [NEW, OLD]
    board.boot()
    assert board.trials == ["certificate_on_trial", "certificate_given_back"]
    board.presented.clear()
    board.run(30)
    assert board.presented == [OLD]


def test_another_boot_completes_the_trial():
    board = Board(stores=False)
    board.command(NEW)
    board.run()
    board.stores = True
    board.boot()
    board.run()
    assert board.store.values["tls_cert"] == NEW
    assert board.command(NEW) == "done certificate_in_use"


def test_a_newer_certificate_replaces_the_one_on_trial():
    board = Board(accepts=(OLD, NEW, NEWER), stores=False)
    board.command(NEW)
    board.run()
    assert board.connected_with == NEW
    assert board.command(NEWER) == "done certificate_on_trial"
    board.stores = True
    board.run()
    assert (board.connected_with, board.store.values["tls_cert"]) == (NEWER, NEWER)


def test_the_old_certificate_ends_the_trial_of_another():
    board = Board(stores=False)
    board.command(NEW)
    board.run()
    assert board.command(OLD) == "done certificate_in_use"
    assert not board.has_trial
    board.run(30)
    assert board.connected_with == OLD


@pytest.mark.parametrize("wrong", [
    b"", b"\x30", b"no certificate", NEW[:-1], NEW + b"\0", der(b"x", MAX_DER_BYTES + 1),
    b"\x30\x80", b"\x31\x00"])
def test_what_is_no_certificate_is_refused(wrong):
    board = Board()
    writes = board.store.writes
    if wrong != b"\x30\x80":  # an empty one of undefined length: it fails when it is used
        assert board.command(wrong) == "refused certificate_malformed"
        assert board.store.writes == writes
    board.run(30)
    assert board.store.values["tls_cert"] == OLD


def test_what_is_not_base64_is_refused():
    with pytest.raises(Refused):
        Board().trial.take({"der": "a"}, "ann", None)


def test_a_full_store_refuses_it():
    board = Board()
    board.store.is_full = True
    assert board.command(NEW) == "refused not_recorded"
    board.run(30)
    assert set(board.presented) == {OLD}


def test_a_store_that_becomes_full_leaves_the_old_one():
    board = Board()
    board.command(NEW)
    board.store.is_full = True
    board.run(14)
    assert board.store.values["tls_cert"] == OLD
    board.boot()  # which cannot be counted
    board.presented.clear()
    board.run()
    assert board.presented == [OLD]


@pytest.mark.parametrize("accepts", [(OLD, NEW), (OLD,)], ids=["good", "bad"])
@pytest.mark.parametrize("is_written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("leftover", [False, True], ids=["first", "again"])
def test_a_power_cut_at_any_write_leaves_a_certificate_that_works(accepts, is_written, leftover):
    """And repeating the command finishes. `again`: a trial of another one was under way."""
    cut_at = 0
    was_cut = True
    while was_cut:
        cut_at += 1
        board = Board(accepts)
        if leftover:
            board.command(NEWER)
        board.store.writes, board.store.cut_at = 0, cut_at
        board.store.is_written = is_written
        was_cut = False
        try:
            board.command(NEW)
            board.run(20)
        except PowerCut:
            was_cut = True
            board.boot()
        board.store.cut_at = None
        board.run()
        assert board.connected_with in accepts
        assert board.store.values["tls_cert"] in accepts
        if cut_at > WRITES_TO_BEGIN:
            assert board.store.values["tls_cert"] == accepts[-1]
        board.command(NEW)
        board.run(20)
        assert board.connected_with == board.store.values["tls_cert"] == accepts[-1]
        assert not board.has_trial
        assert set(board.presented) <= {OLD, NEW, NEWER}
        expected = "certificate_in_use" if NEW in accepts else "certificate_given_back"
        assert board.trials[-1] == expected, board.trials
    assert cut_at > 5


@pytest.mark.parametrize("is_written", [False, True])
def test_a_power_cut_at_every_boot_gives_it_back(is_written):
    board = Board(accepts=(OLD,))
    board.command(NEW)
    for _ in range(4 * BOOTS):
        board.store.writes, board.store.cut_at = 0, 1
        board.store.is_written = is_written
        try:
            board.boot()
        except PowerCut:
            continue
    board.store.cut_at = None
    for _ in range(BOOTS):
        board.boot()
    board.run(TRIAL_MINUTES + 1)
    assert board.connected_with == OLD
    assert not board.has_trial


def test_the_largest_command_fits():
    command = messages.Command(
        "i" * 40, "certificate", {"der": base64.b64encode(NEW).decode()}, "b" * 40, 2**53 - 1,
        "n" * 40)
    packed = messages_host.pack_command("n" * 32, command, lambda signed: "f" * 64)
    assert len(NEW) == MAX_DER_BYTES
    assert messages.unpack_command("n" * 32, packed).message == command
