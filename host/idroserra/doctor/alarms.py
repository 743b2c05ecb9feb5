"""The doctor's look at the alarms: do the rules make sense, and is anybody told?"""

from __future__ import annotations

from idroserra.alarms.notify.targets import open_targets
from idroserra.alarms.rules import load_rules
from idroserra.core.config import AlarmsConfig
from idroserra.core.errors import ConfigError
from idroserra.doctor.result import Check


def look_at_alarms(config: AlarmsConfig) -> Check:
    """Are the rules and addresses good, and does somebody notice when the host is dead?"""
    try:
        rules = load_rules(config.rules)
        targets = open_targets(config.targets)
    except ConfigError as error:
        return Check("alarms", "fail", str(error), "mend that key: docs/alarms.md")
    names = ", ".join(targets)
    if not targets:
        return Check("alarms", "warn", f"{len(rules)} rules, nobody is told",
                     "add an address under alarms.targets: docs/alarms.md")
    if config.heartbeat_url is None:
        return Check("alarms", "warn", f"{len(rules)} rules, told to {names}; no heartbeat",
                     "set alarms.heartbeat_url, so that somebody notices a dead host")
    return Check("alarms", "ok", f"{len(rules)} rules, told to {names}; with a heartbeat")
