"""Checks messages of the host - signature, boot, expiry, repetition - and runs commands.

Each command is answered by one Ack. A message that is invalid, for another node or not signed with
this node's key gets none: an answer would only help an attacker.
"""

from idro.errors import ProtocolError, SettingsError
from idro.protocol import messages
from idro.protocol.reason import Reason
from idro.safety.authentication import is_authentic
from idro.safety.outputs import Refused

# A command that expires later than this is refused: it could be withheld and sent later.
MAX_TTL_MS = 60_000
# How long the records may have been on their way when the answer to them arrives.
MAX_ANSWER_MS = 60_000
_TOKENS = 10
_TOKEN_MS = 200
_STOP = b'"stop"'
_REPORT_EVERY_MS = 600_000
_MAX_ANSWERS = 8  # that can be repeated
_UNDER_WAY = ("", None)  # the answer is still to come


class _TokenBucket:
    """Limits a rate: _TOKENS at once, then one every _TOKEN_MS."""

    def __init__(self):
        self._tokens = _TOKENS
        self._at_ms = 0

    def take(self, now_ms):
        """Take a token; return False if there is none."""
        gained = (now_ms - self._at_ms) // _TOKEN_MS
        self._tokens = min(_TOKENS, self._tokens + gained)
        self._at_ms += gained * _TOKEN_MS
        if self._tokens == 0:
            return False
        self._tokens -= 1
        return True


class CommandHandler:
    """Takes down/command, down/config and down/stored.

    `identity` is (node id, key, boot id). `actions` maps verbs to action(args, by, answer), which
    calls `answer(outcome, reason)` once, at once or when the dose is over.
    `stop(by)` stops all dosing at once; `stop_outcome()` returns (outcome, Reason) of it, which
    may change.
    `send_ack(ack, is_first)` sends the answer to a stop before all else.
    """

    def __init__(
        self, identity, *, clock, command_ids, actions, stop, stop_outcome, record_event,
        send_ack,
    ):
        self._node_id, self._key, self._boot_id = identity
        self._clock = clock
        self._command_ids = command_ids
        self._actions = actions
        self._halt = stop
        self._stop_outcome = stop_outcome
        self._record_event = record_event
        self._send_ack = send_ack
        self._bucket = _TokenBucket()
        # No flood may swallow a stop, so a stop takes its token after its MAC is checked, and
        # replays of one have a bucket of their own.
        self._stop_bucket = _TokenBucket()
        self._stop_answer_bucket = _TokenBucket()
        self._reported_ms = None
        self._answered_at_ms = 0  # sent_at_ms of the newest down/stored
        self._answers = {}  # id: (outcome, reason)
        self._stop_ids = []  # of stops that were carried out
        self._stopped_not_after_ms = 0  # the latest end of a stop that was carried out
        self.ignored_count = 0

    def receive(self, payload, unpack=messages.unpack_command):
        """Take one down/command, or a payload that `unpack` turns into a Signed(Command)."""
        now_ms = self._clock.now_ms()
        may_stop = _STOP in payload
        if not may_stop and not self._bucket.take(now_ms):
            self.ignored_count += 1
            return
        signed = self._unpacked(unpack, payload)
        if signed is None:
            return
        is_stop = signed.message.verb == "stop"
        if may_stop and not is_stop and not self._bucket.take(now_ms):
            self.ignored_count += 1
            return
        command = self._authentic(signed)
        if command is None:
            return
        if is_stop:
            self._stop(command)
            return
        refusal = self._refusal(command)
        if refusal is not None:
            if refusal != _UNDER_WAY:
                self._answer(command, *refusal)
            return
        try:
            self._command_ids.add(command.id)
        except OSError as error:
            self._answer(command, "failed", Reason("not_recorded", detail=repr(error)))
            return
        self._answers[command.id] = _UNDER_WAY

        def answer(outcome, reason):
            self._answers[command.id] = (outcome, reason)
            self._answer(command, outcome, reason)

        try:
            self._actions[command.verb](command.args, command.by, answer)
        except Refused as refused:
            answer("refused", refused.reason)
        except MemoryError:
            # Whether it has begun is unknown: its effects are recorded as events.
            answer("failed", Reason("memory_check"))
            raise

    def receive_config(self, pieces, settings):
        """Take one down/config; returns (changed values, Reason of its refusal), or None for each.

        A repeated rev, as of a retained message, changes nothing and is not an error.
        """
        try:
            signed = self._unpacked(messages.unpack_config, pieces)
            config = None if signed is None else self._authentic(signed)
            if config is None or config.rev == settings.rev:
                return None, None
            return settings.apply(config.rev, config.by, config.values), None
        except SettingsError as error:
            return None, error.reason
        except MemoryError:
            return None, Reason("memory_send_again")

    def _stop(self, command):
        """Run a stop. It may run twice, so no flash is written before it.

        A repeat stops nothing again, whatever came between."""
        was_run = command.id in self._stop_ids
        refusal = None if was_run else self._refusal(command)
        is_new = refusal is None and not was_run
        bucket = self._stop_bucket if is_new else self._stop_answer_bucket
        if not bucket.take(self._clock.now_ms()):
            self.ignored_count += 1
            return
        if is_new:
            self._stopped_not_after_ms = max(
                self._stopped_not_after_ms, command.not_after_at_ms)
            self._halt(command.by)
            self._stop_ids.append(command.id)
            del self._stop_ids[:-_MAX_ANSWERS]
        self._answer(command, *(refusal or self._stop_outcome()))

    def receive_stored(self, payload):
        """Return the Stored of a down/stored if it is authentic and fresh, else None.

        One about this boot answers records sent in the last minute, and is not older than one
        before. One about an earlier boot has no such proof: it is good only for erasing records.
        The node sends its records again, so what is ignored is answered again.
        """
        signed = self._unpacked(messages.unpack_stored, payload)
        stored = None if signed is None else self._authentic(signed)
        if stored is None:
            return None
        sent_at_ms = stored.sent_at_ms
        if stored.boot_id != self._boot_id:
            return stored if sent_at_ms is None else None
        now_ms = self._clock.now_ms()
        oldest_ms = max(self._answered_at_ms, now_ms - MAX_ANSWER_MS)
        if sent_at_ms is None or not oldest_ms <= sent_at_ms <= now_ms:
            return None
        self._answered_at_ms = sent_at_ms
        return stored

    def _unpacked(self, unpack, payload):
        """Return the Signed message, its signature not checked, or None."""
        try:
            return unpack(self._node_id, payload)
        except ProtocolError as error:
            self._report_ignored(Reason("message_ignored", detail=error.why))
            return None

    def _authentic(self, signed):
        """Return the message if it is signed with this node's key, else None."""
        # The host adds a MAC for each of its keys while it replaces that of this node.
        for at in range(0, len(signed.auth), 64):
            if is_authentic(self._key, signed.signed, signed.auth[at : at + 64]):
                return signed.message
        self._report_ignored(Reason("unsigned"))
        return None

    def _refusal(self, command):
        """Return (outcome, reason) if the command must not run, else None."""
        if command.boot_id != self._boot_id:
            return "refused", Reason("old_boot")
        if command.verb != "stop" and self._command_ids.has(command.id):
            return self._answers.get(command.id, ("refused", Reason("repeated")))
        left_ms = command.not_after_at_ms - self._clock.now_ms()
        if left_ms < 0:
            return "expired", Reason("too_late", late_ms=-left_ms)
        if left_ms > MAX_TTL_MS:
            return "refused", Reason("too_far")
        # A stop overtakes what was sent before it; a resume of before it must not end it.
        if command.verb == "resume" and command.not_after_at_ms <= self._stopped_not_after_ms:
            return "refused", Reason("stopped")
        return None

    def _answer(self, command, outcome, reason):
        self._forget_old_answers()
        now_ms = self._clock.now_ms()
        ack = messages.Ack(command.id, outcome, reason, self._boot_id, now_ms)
        self._send_ack(ack, command.verb == "stop")

    def _forget_old_answers(self):
        if len(self._answers) > _MAX_ANSWERS:
            self._answers = {
                key: value for key, value in self._answers.items() if value == _UNDER_WAY}

    def _report_ignored(self, reason):
        """Record an ignored message, at most one every 10 min: a sender could flood the log."""
        self.ignored_count += 1
        now_ms = self._clock.now_ms()
        if self._reported_ms is None or now_ms - self._reported_ms >= _REPORT_EVERY_MS:
            self._reported_ms = now_ms
            self._record_event("refused", {"actuator": "", "reason": reason, "by": ""})
