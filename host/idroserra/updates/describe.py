"""Updates in words: how a roll-out and each of its nodes stand."""

from __future__ import annotations

from collections.abc import Mapping

from idroserra.i18n.marker import N_
from idroserra.i18n.translate import gettext as _
from idroserra.updates import database, rollout_policy
from idroserra.updates.database import NodeUpdate, Rollout

_STATES: dict[str, tuple[str, str]] = {
    rollout_policy.WAITING: ("plain", N_("Waits its turn")),
    rollout_policy.OFFERED: ("note", N_("Offered")),
    rollout_policy.DOWNLOADING: ("note", N_("Downloading")),
    rollout_policy.DOWNLOADED: ("note", N_("Downloaded; it restarts when no pump runs")),
    rollout_policy.TRIAL: ("note", N_("On trial: it doses nothing until it confirms")),
    rollout_policy.CONFIRMED: ("ok", N_("Runs the new version")),
    rollout_policy.REFUSED: ("warn", N_("Refused it")),
    rollout_policy.REVERTED: ("bad", N_("Went back to what it ran before")),
    rollout_policy.LOST: ("bad", N_("Has not come back from its trial")),
    rollout_policy.CANCELLED: ("plain", N_("Called off")),
}


def state_words(state: str) -> tuple[str, str]:
    """Return (level, sentence) of a node's state in a roll-out."""
    level, text = _STATES[state]
    return level, _(text)


def rollout_words(rollout: Rollout, ways: Mapping[str, NodeUpdate]) -> tuple[str, str]:
    """Return (level, sentence) of a roll-out."""
    done = sum(one.state == rollout_policy.CONFIRMED for one in ways.values())
    told = {
        database.RUNNING: ("note", _("Under way: {done} of {all} nodes run it")),
        database.STOPPED: ("bad", _("Stopped by itself: {done} of {all} nodes run it")),
        database.FINISHED: ("ok", _("Finished: {done} of {all} nodes run it")),
        database.CANCELLED: ("plain", _("Called off: {done} of {all} nodes run it")),
    }
    level, text = told[rollout.state]
    if rollout.state == database.FINISHED and done < len(ways):
        level = "warn"
    return level, text.format(done=done, all=len(ways))
