"""Checks commands of the host - signature, boot, expiry, repetition - and runs their actions.

Each command is answered by one Ack. A message that is invalid, for another node or not signed with
this node's key gets none: an answer would only help an attacker.
"""

from idro.errors import ProtocolError, SettingsError
from idro.protocol import messages
from idro.safety.authentication import is_authentic
from idro.safety.outputs import Refused

# A command that expires later than this is refused: it could be withheld and sent later.
MAX_TTL_MS = 60_000
_TOKENS = 10
_TOKEN_MS = 200
_REPORT_EVERY_MS = 600_000
_MAX_ANSWERS = 8  # that can be repeated
_UNDER_WAY = ("", "")  # the answer is still to come


class CommandHandler:
    """Takes down/command and down/config.

    `identity` is (node id, key, boot id). `actions` maps verbs to action(args, by, answer), which
    calls `answer(outcome, reason)` once, at once or when the dose is over.
    """

    def __init__(self, identity, *, clock, command_ids, actions, record_event, send_ack):
        self._node_id, self._key, self._boot_id = identity
        self._clock = clock
        self._command_ids = command_ids
        self._actions = actions
        self._record_event = record_event
        self._send_ack = send_ack
        self._tokens = _TOKENS
        self._token_at_ms = 0
        self._reported_ms = None
        self._answers = {}  # id: (outcome, reason)
        self.ignored_count = 0

    def receive(self, payload, unpack=messages.unpack_command):
        """Take one down/command, or a payload that `unpack` turns into a Signed(Command)."""
        if not self._has_token():
            self.ignored_count += 1
            return
        command = self._authentic(unpack, payload)
        if command is None:
            return
        refusal = self._refusal(command)
        if refusal is not None:
            if refusal != _UNDER_WAY:
                self._answer(command, *refusal)
            return
        try:
            self._command_ids.add(command.id)
        except OSError as error:
            if command.verb != "stop":  # which may safely run twice
                self._answer(command, "failed", f"it cannot be recorded: {error}")
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
            answer("failed", "out of memory: check whether it took effect")
            raise

    def receive_config(self, pieces, settings):
        """Take one down/config; returns (changed values or None, why it was refused or None).

        A repeated rev, as of a retained message, changes nothing and is not an error.
        """
        try:
            config = self._authentic(messages.unpack_config, pieces)
            if config is None or config.rev == settings.rev:
                return None, None
            return settings.apply(config.rev, config.by, config.values), None
        except SettingsError as error:
            return None, str(error)
        except MemoryError:
            return None, "out of memory: send it again"

    def _authentic(self, unpack, payload):
        try:
            signed = unpack(self._node_id, payload)
        except ProtocolError as error:
            self._report_ignored(error.why)
            return None
        if not is_authentic(self._key, signed.signed, signed.auth):
            self._report_ignored("not signed with this node's key")
            return None
        return signed.message

    def _refusal(self, command):
        """Return (outcome, reason) if the command must not run, else None."""
        if command.boot_id != self._boot_id:
            return "refused", "it was meant for an earlier boot"
        if self._command_ids.has(command.id):
            return self._answers.get(command.id, ("refused", "it was received before"))
        left_ms = command.not_after_at_ms - self._clock.now_ms()
        if left_ms < 0:
            return "expired", f"it came {-left_ms} ms too late"
        if left_ms > MAX_TTL_MS:
            return "refused", "it expires too far ahead"
        return None

    def _answer(self, command, outcome, reason):
        self._forget_old_answers()
        now_ms = self._clock.now_ms()
        self._send_ack(messages.Ack(command.id, outcome, reason[:200], self._boot_id, now_ms))

    def _forget_old_answers(self):
        if len(self._answers) > _MAX_ANSWERS:
            self._answers = {
                key: value for key, value in self._answers.items() if value == _UNDER_WAY}

    def _has_token(self):
        now_ms = self._clock.now_ms()
        gained = (now_ms - self._token_at_ms) // _TOKEN_MS
        self._tokens = min(_TOKENS, self._tokens + gained)
        self._token_at_ms += gained * _TOKEN_MS
        if self._tokens == 0:
            return False
        self._tokens -= 1
        return True

    def _report_ignored(self, why):
        """Record an ignored message, at most one every 10 min: a sender could flood the log."""
        self.ignored_count += 1
        now_ms = self._clock.now_ms()
        if self._reported_ms is None or now_ms - self._reported_ms >= _REPORT_EVERY_MS:
            self._reported_ms = now_ms
            reason = f"a message was ignored: {why}"[:200]
            self._record_event("refused", {"actuator": "", "reason": reason, "by": ""})
