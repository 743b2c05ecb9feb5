"""Describes the state of a roll-out and of its nodes in words."""

from __future__ import annotations

from collections.abc import Mapping

from idroserra.i18n.marker import N_
from idroserra.i18n.reasons import reason_text
from idroserra.i18n.translate import Locale, use_locale
from idroserra.i18n.translate import gettext as _
from idroserra.updates import database, rollout_policy
from idroserra.updates.database import NodeUpdate, Rollout

_STATES: dict[str, tuple[str, str]] = {
    rollout_policy.WAITING: ("plain", N_("Waiting")),
    rollout_policy.OFFERED: ("note", N_("Offered")),
    rollout_policy.DOWNLOADING: ("note", N_("Downloading")),
    rollout_policy.DOWNLOADED: ("note", N_("Downloaded; it restarts when no pump runs")),
    rollout_policy.TRIAL: ("note", N_("On trial: no dosing until it is confirmed")),
    rollout_policy.CONFIRMED: ("ok", N_("Running the new version")),
    rollout_policy.REFUSED: ("warn", N_("Refused")),
    rollout_policy.REVERTED: ("bad", N_("Reverted to the previous version")),
    rollout_policy.LOST: ("bad", N_("Has not come back from its trial")),
    rollout_policy.CANCELLED: ("plain", N_("Cancelled")),
}

_JOURNAL = {
    rollout_policy.CONFIRMED: N_("Software {version} is active."),
    rollout_policy.REVERTED: N_("Software {version} was reverted: {reason}."),
    rollout_policy.LOST: N_("Did not come back from the trial of software {version}."),
}


def journal_note(update: NodeUpdate, rollout: Rollout) -> str:
    """Return the note of a node's new state in the journal, in the language of who started the
    roll-out; "" for none."""
    if update.state not in _JOURNAL:
        return ""
    with use_locale(Locale(rollout.language)):
        return _(_JOURNAL[update.state]).format(
            version=rollout.version, reason=reason_text(update.reason) or _("no reason was given"))


def state_words(state: str) -> tuple[str, str]:
    """Return (level, sentence) of a node's state in a roll-out."""
    level, text = _STATES[state]
    return level, _(text)


def rollout_words(rollout: Rollout, updates: Mapping[str, NodeUpdate]) -> tuple[str, str]:
    """Return (level, sentence) of a roll-out."""
    done = sum(one.state == rollout_policy.CONFIRMED for one in updates.values())
    level, text = {
        database.RUNNING: ("note", _("In progress: {done} of {all} nodes updated")),
        database.STOPPED: ("bad", _("Stopped automatically: {done} of {all} nodes updated")),
        database.FINISHED: ("ok", _("Finished: {done} of {all} nodes updated")),
        database.CANCELLED: ("plain", _("Cancelled: {done} of {all} nodes updated")),
    }[rollout.state]
    if rollout.state == database.FINISHED and done < len(updates):
        level = "warn"
    return level, text.format(done=done, all=len(updates))
