"""Updates in words: how a roll-out and each of its nodes stand."""

from __future__ import annotations

from collections.abc import Mapping

from idroserra.i18n import gettext as _
from idroserra.i18n import marked
from idroserra.update import book, rules
from idroserra.update.book import NodeUpdate, Rollout

_STATES: dict[str, tuple[str, str]] = {
    rules.WAITING: ("plain", marked("Waits its turn")),
    rules.OFFERED: ("note", marked("Offered")),
    rules.DOWNLOADING: ("note", marked("Downloading")),
    rules.DOWNLOADED: ("note", marked("Downloaded; it restarts when no pump runs")),
    rules.TRIAL: ("note", marked("On trial: it doses nothing until it confirms")),
    rules.CONFIRMED: ("ok", marked("Runs the new version")),
    rules.REFUSED: ("warn", marked("Refused it")),
    rules.REVERTED: ("bad", marked("Went back to what it ran before")),
    rules.LOST: ("bad", marked("Has not come back from its trial")),
    rules.CANCELLED: ("plain", marked("Called off")),
}


def state_words(state: str) -> tuple[str, str]:
    """Return (level, sentence) of a node's state in a roll-out."""
    level, text = _STATES[state]
    return level, _(text)


def rollout_words(rollout: Rollout, ways: Mapping[str, NodeUpdate]) -> tuple[str, str]:
    """Return (level, sentence) of a roll-out."""
    done = sum(one.state == rules.CONFIRMED for one in ways.values())
    told = {
        book.RUNNING: ("note", _("Under way: {done} of {all} nodes run it")),
        book.STOPPED: ("bad", _("Stopped by itself: {done} of {all} nodes run it")),
        book.FINISHED: ("ok", _("Finished: {done} of {all} nodes run it")),
        book.CANCELLED: ("plain", _("Called off: {done} of {all} nodes run it")),
    }
    level, text = told[rollout.state]
    if rollout.state == book.FINISHED and done < len(ways):
        level = "warn"
    return level, text.format(done=done, all=len(ways))
