"""Checks alarm rules, notification targets and the heartbeat."""

from __future__ import annotations

from idroserra.alarms.notify.targets import open_targets
from idroserra.alarms.rules import load_rules
from idroserra.core.config import AlarmsConfig
from idroserra.core.errors import ConfigError
from idroserra.doctor.result import Check


def check_alarms(config: AlarmsConfig) -> Check:
    """Check that rules and targets are valid and a heartbeat is configured."""
    try:
        rules = load_rules(config.rules)
        targets = open_targets(config.targets)
    except ConfigError as error:
        return Check("alarms", "fail", str(error), "fix that key: docs/alarms.md")
    names = ", ".join(targets)
    if not targets:
        return Check("alarms", "warn", f"{len(rules)} rules, no recipients configured",
                     "add a target under alarms.targets: docs/alarms.md")
    if config.heartbeat_url is None:
        return Check("alarms", "warn", f"{len(rules)} rules, notifying {names}; no heartbeat",
                     "set alarms.heartbeat_url to be notified when the host is down")
    return Check("alarms", "ok", f"{len(rules)} rules, notifying {names}; with a heartbeat")
