"""What the host asks for: checked, signed, for this boot, in time, once; then the safety gate.

Whatever was asked, one Ack says what became of it. A message that is not ours, or not signed with
this node's key, gets no answer: an answer would serve whoever sent it.
"""

from idro.errors import ProtocolError, SettingsError
from idro.protocol import messages
from idro.safety.authentication import is_authentic
from idro.safety.outputs import Refused

# A command may not lie in the future by more than this: it could be kept back and sent later.
MAX_TTL_MS = 60_000
_TOKENS = 10
_TOKEN_MS = 200
_COMPLAIN_EVERY_MS = 600_000
_MAX_ANSWERS = 8  # that may be given again
_UNDER_WAY = ("", "")  # received again before it is over: the answer is still to come


class CommandHandler:
    """Takes down/command and down/config. `actions` maps verbs to actions(args, by, answer);
    `answer(outcome, reason)` is called once, at once or when the dose is over."""

    def __init__(self, identity, clock, seen, actions, record_event):
        self._node, self._key, self._boot_id = identity
        self._clock = clock
        self._seen = seen
        self._actions = actions
        self._record_event = record_event
        self._tokens = _TOKENS
        self._token_at_ms = 0
        self._complained_ms = None
        self._answers = {}  # id: (outcome, reason)
        self.send_ack = None
        self.ignored_count = 0

    def receive(self, payload, unpack=messages.unpack_command):
        """Take one down/command, or what else `unpack` takes apart into a Signed(Command)."""
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
            self._seen.add(command.id)
        except OSError as error:
            if command.verb != "stop":  # which is as safe twice as once
                self._answer(command, "failed", f"it cannot be written down: {error}")
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
            # Whether it had begun is not known: what it brought about is told by its events.
            answer("failed", "no memory was left: look what became of it")
            raise

    def receive_config(self, pieces, settings):
        """Take one down/config; returns (changed values or None, why it was refused or None).

        The same rev again, as a retained message comes, changes nothing and is no error.
        """
        try:
            config = self._authentic(messages.unpack_config, pieces)
            if config is None or config.rev == settings.rev:
                return None, None
            return settings.apply(config.rev, config.by, config.values), None
        except SettingsError as error:
            return None, str(error)
        except MemoryError:
            return None, "no memory was left: send it again"

    def _authentic(self, unpack, payload):
        try:
            signed = unpack(self._node, payload)
        except ProtocolError as error:
            self._complain(error.why)
            return None
        if not is_authentic(self._key, signed.signed, signed.auth):
            self._complain("not signed with this node's key")
            return None
        return signed.message

    def _refusal(self, command):
        """Return (outcome, reason) of a command that must not run, else None."""
        if command.boot_id != self._boot_id:
            return "refused", "it was meant for an earlier boot"
        if self._seen.has(command.id):
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
        self.send_ack(messages.Ack(command.id, outcome, reason[:200], self._boot_id, now_ms))

    def _forget_old_answers(self):
        if len(self._answers) > _MAX_ANSWERS:
            self._answers = {
                key: value for key, value in self._answers.items() if value == _UNDER_WAY
            }

    def _has_token(self):
        now_ms = self._clock.now_ms()
        gained = (now_ms - self._token_at_ms) // _TOKEN_MS
        self._tokens = min(_TOKENS, self._tokens + gained)
        self._token_at_ms += gained * _TOKEN_MS
        if self._tokens == 0:
            return False
        self._tokens -= 1
        return True

    def _complain(self, why):
        """Tell of ignored messages, but not of each: whoever sends them decides how many."""
        self.ignored_count += 1
        now_ms = self._clock.now_ms()
        if self._complained_ms is None or now_ms - self._complained_ms >= _COMPLAIN_EVERY_MS:
            self._complained_ms = now_ms
            reason = f"a message was ignored: {why}"[:200]
            self._record_event("refused", {"actuator": "", "reason": reason, "by": ""})
