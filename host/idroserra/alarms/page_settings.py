"""What people set on the page for alarms: recipients, when they are notified, and rules.

The configuration wins: a key that it sets is fixed, and what the page had stored for it waits
until the configuration no longer does. Changes apply at once, without a restart.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from idroserra.alarms.loop import AlarmLoop
from idroserra.alarms.notify.targets import Target, open_targets
from idroserra.alarms.rules import Rule, load_rules
from idroserra.core.config import AlarmsConfig, AlarmTarget, Config
from idroserra.core.errors import ConfigError, Conflict, InvalidInput, NotFound
from idroserra.core.page_settings import PageSettings
from idroserra.core.text import Text
from idroserra.core.validation import ValidationError, validate
from idroserra.i18n.marker import N_

RECIPIENTS, TIMES, RULES = "recipients", "notifications", "alarm rules"
TIME_KEYS = ("notify_from", "quiet_from", "quiet_until", "daily_at")
MOST_RECIPIENTS = 50


class BadAlarmSetting(InvalidInput):
    """An invalid recipient, time or rule. The message names the field, and no address."""


class FixedByConfiguration(Conflict):
    """The configuration sets this, so the page cannot."""


class UnknownRecipient(NotFound):
    """No recipient of this name."""


class Recipient(NamedTuple):
    """One recipient. source: "" if it was added on the page, else where it is configured.
    trouble: why nothing can be sent to it."""

    config: AlarmTarget
    source: str
    service: str
    trouble: str
    has_address: bool


class AlarmPageSettings:
    """Every method may be called from any thread; those that change raise StoreUnavailable."""

    def __init__(
        self, config: Config, store: PageSettings, loop: AlarmLoop,
        now_unix_ms: Callable[[], int],
    ) -> None:
        """Apply what is stored to the running alarms."""
        self._config = config
        self._store = store
        self._loop = loop
        self._now_unix_ms = now_unix_ms
        self._lock = threading.RLock()
        self._configured = open_targets(config.alarms.targets)
        self._stored: dict[str, tuple[dict[str, Any], Target | None, str]] = {}
        for name, body in store.all(RECIPIENTS).items():
            self._stored[name] = (body, *_opened(name, body))
        self._apply_recipients()
        loop.scheduler.use(self.times())
        self._apply_rules()

    def recipients(self) -> list[Recipient]:
        """Return the configured recipients, then those of the page by name."""
        source = self._config.source_of("alarms", "targets") or ""
        with self._lock:
            found = [Recipient(one, source, self._configured[one.name].service, "", True)
                     for one in self._config.alarms.targets]
            found += [Recipient(_shown_target(body, name), "",
                                "" if target is None else target.service,
                                trouble, bool(body.get("url")))
                      for name, (body, target, trouble) in sorted(self._stored.items())]
            return found

    def set_recipient(self, name: str, values: Mapping[str, Any], url: str, by: str) -> None:
        """Add a recipient, or change one; an empty `url` keeps its address.

        Raises FixedByConfiguration, BadAlarmSetting."""
        with self._lock:
            self._refuse_configured(name)
            before = self._stored.get(name)
            if before is None and len(self._stored) >= MOST_RECIPIENTS:
                raise BadAlarmSetting(Text(
                    N_("name: there are {count} recipients already"), count=MOST_RECIPIENTS))
            body = {**values, "url": url or ("" if before is None else before[0].get("url", ""))}
            if not body["url"]:
                raise BadAlarmSetting(N_("url: a new recipient needs an address"))
            target, trouble = _opened(name, body)
            if target is None:
                raise BadAlarmSetting(trouble)
            self._store.put(RECIPIENTS, name, body, by, self._now_unix_ms())
            self._stored[name] = (body, target, "")
            self._apply_recipients()

    def remove_recipient(self, name: str) -> None:
        """Remove a recipient of the page. Raises FixedByConfiguration, UnknownRecipient."""
        with self._lock:
            self._refuse_configured(name)
            self._must_have(name)
            self._store.remove(RECIPIENTS, name)
            del self._stored[name]
            self._apply_recipients()

    def test(self, name: str, by: str) -> int:
        """Send a test to one recipient; return the notice's id. Raises UnknownRecipient."""
        if name not in self._configured:
            self._must_have(name)
        return self._loop.scheduler.test(by, self._now_unix_ms(), name)

    def times(self) -> AlarmsConfig:
        """Return the configuration of alarms with the times and the priority of the page, without
        them if `times_trouble` says why they cannot be used."""
        return self._checked_times()[0]

    @property
    def times_trouble(self) -> str:
        """Why the stored times, as of another version, cannot be used; "" if they can."""
        return self._checked_times()[1]

    def source_of_time(self, key: str) -> str | None:
        """Return where a key of TIME_KEYS is configured, None if the page may set it.
        The quiet hours go together."""
        keys = ("quiet_from", "quiet_until") if key.startswith("quiet") else (key,)
        found = (self._config.source_of("alarms", one) for one in keys)
        return next((source for source in found if source is not None), None)

    def set_times(self, values: Mapping[str, Any], by: str) -> None:
        """Set keys of TIME_KEYS. Raises FixedByConfiguration, BadAlarmSetting."""
        with self._lock:
            stored = self._stored_times()
            shown = {key: getattr(self._config.alarms, key) for key in TIME_KEYS} | stored
            changed = {key: value for key, value in values.items() if value != shown[key]}
            for key in changed:
                if self.source_of_time(key) is not None:
                    raise FixedByConfiguration(Text(
                        N_("{key}: the host's configuration sets it"), key=key))
            _with_times(self._config.alarms, stored | changed)
            self._store.put_all(TIMES, changed, by, self._now_unix_ms())
            self._loop.scheduler.use(self.times())

    def rule_changes(self) -> dict[str, dict[str, Any]]:
        """Return the keys of rules that configuration and page change, with those of nodes in
        the table `nodes` of a rule."""
        found: dict[str, dict[str, Any]] = {}
        known = self.default_rules()
        for name, changes in self._store.all(RULES).items():
            rule, _, node = name.partition("/")
            if rule not in known:  # of another version
                continue
            own = found.setdefault(rule, {"nodes": {}})
            (own["nodes"].setdefault(node, {}) if node else own).update({
                key: value for key, value in changes.items()
                if self.source_of_rule(rule, key, node) is None})
        for rule, configured in self._config.alarms.rules.items():
            own = found.setdefault(rule, {"nodes": {}})
            nodes = configured.get("nodes", {})
            found[rule] = {**own, **configured, "nodes": {
                node: {**own["nodes"].get(node, {}), **nodes.get(node, {})}
                for node in {*own["nodes"], *nodes}}}
        return found

    def source_of_rule(self, rule: str, key: str, node: str = "") -> str | None:
        """Return where a key of a rule is configured, None if the page may set it."""
        source = self._config.source_of("alarms", "rules", rule, key)
        if source is None and node:
            source = self._config.source_of("alarms", "rules", rule, "nodes", node, key)
        return source

    def set_rule(self, rule: str, node: str, changes: Mapping[str, Any], by: str) -> None:
        """Change keys of a rule, of one node or ("") of all; None resets a key.

        Raises FixedByConfiguration, BadAlarmSetting."""
        with self._lock:
            for key in changes:
                if self.source_of_rule(rule, key, node) is not None:
                    raise FixedByConfiguration(Text(
                        N_("{key}: the host's configuration sets it"), key=key))
            name = f"{rule}/{node}" if node else rule
            before = self._store.get(RULES, name, {})
            after = {key: value for key, value in {**before, **changes}.items()
                     if value is not None}
            self._put_rule(name, after, by)
            try:
                rules = load_rules(self.rule_changes())
            except ConfigError as error:
                self._put_rule(name, before, by)
                raise BadAlarmSetting(str(error)) from None
            self._loop.alarms.use_rules(rules)
            self.rules_trouble = ""

    def forget_node(self, node: str) -> None:
        """Reset the rules of a node that is forgotten, before another board has its name."""
        with self._lock:
            own = [name for name in self._store.all(RULES) if name.partition("/")[2] == node]
            for name in own:
                self._store.remove(RULES, name)
            if own:
                self._apply_rules()

    def all_rules(self) -> dict[str, Rule]:
        """Return every rule by name, also those that are off, as the alarms use them."""
        try:
            return load_rules(self.rule_changes(), only_enabled=False)
        except ConfigError:  # rules_trouble says why
            return self.default_rules()

    def default_rules(self) -> dict[str, Rule]:
        """Return every rule without what the page changed."""
        return load_rules(self._config.alarms.rules, only_enabled=False)

    def is_changed(self, rule: str, node: str, key: str) -> bool:
        """Return True if the page set this key."""
        name = f"{rule}/{node}" if node else rule
        return key in self._store.get(RULES, name, {})

    def _stored_times(self) -> dict[str, Any]:
        return {key: value for key, value in self._store.all(TIMES).items()
                if key in TIME_KEYS and self.source_of_time(key) is None}

    def _checked_times(self) -> tuple[AlarmsConfig, str]:
        """Return the configuration with the stored times, or without them and why."""
        try:
            return _with_times(self._config.alarms, self._stored_times()), ""
        except BadAlarmSetting as error:
            return self._config.alarms, Text(N_(
                "The saved times are not used until you save them again: {reason}"),
                reason=str(error))

    def _apply_rules(self) -> None:
        """Use the rules of the page; those of another version may be invalid, then the rules of
        the configuration hold."""
        self.rules_trouble = ""
        try:
            self._loop.alarms.use_rules(load_rules(self.rule_changes()))
        except ConfigError as error:
            self.rules_trouble = str(error)

    def _put_rule(self, name: str, changes: Mapping[str, Any], by: str) -> None:
        if changes:
            self._store.put(RULES, name, dict(changes), by, self._now_unix_ms())
        else:
            self._store.remove(RULES, name)

    def _refuse_configured(self, name: str) -> None:
        if name in self._configured:
            raise FixedByConfiguration(Text(
                N_("{key}: the host's configuration sets it"), key=name))

    def _must_have(self, name: str) -> None:
        if name not in self._stored:
            raise UnknownRecipient(Text(N_("no recipient {name}"), name=name[:40]))

    def _apply_recipients(self) -> None:
        stored = {name: target for name, (_, target, _) in self._stored.items()
                  if target is not None and name not in self._configured}
        self._loop.dispatcher.use(self._configured | stored)


def _target(body: Mapping[str, Any], name: str) -> AlarmTarget:
    return validate({**body, "name": name}, AlarmTarget)


def _shown_target(body: Mapping[str, Any], name: str) -> AlarmTarget:
    """Return a stored recipient, with defaults if another version stored it."""
    try:
        return _target({**body, "url": body.get("url") or "-"}, name)
    except ValidationError:
        return _target({"url": "-"}, name)


def _opened(name: str, body: Mapping[str, Any]) -> tuple[Target | None, str]:
    """Return the target of a recipient, or None and why there is none."""
    if not body.get("url"):
        return None, N_("url: the address is missing; backups without keys do not contain it")
    try:
        return Target(_target(body, name)), ""
    except ValidationError as error:
        return None, str(error)
    except ConfigError:
        return None, N_("url: no service supports this address")


def _with_times(config: AlarmsConfig, changes: Mapping[str, Any]) -> AlarmsConfig:
    """Return the configuration with other times. Raises BadAlarmSetting."""
    times = {**{key: getattr(config, key) for key in TIME_KEYS}, **changes}
    try:
        checked = validate(times, AlarmsConfig)
    except ValidationError as error:
        raise BadAlarmSetting(str(error)) from None
    return msgspec.structs.replace(config, **{key: getattr(checked, key) for key in TIME_KEYS})
