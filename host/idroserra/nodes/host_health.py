"""The problems of the host itself, which make the states of its nodes unreliable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idroserra.i18n.marker import N_
from idroserra.i18n.translate import gettext as _
from idroserra.i18n.translate import translate


def host_problems(counts: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return {"level", "text"} of each problem of the host, from Service.counts()."""
    problems = []
    for part, effect in (
        (N_("broker"), N_("no readings arrive and no commands can be sent")),
        (N_("store"), N_("history cannot be read; new readings wait safely on disk")),
        (N_("spool"), N_("the host accepts no readings; the nodes store theirs")),
        (N_("standby"), N_("the nodes store their readings; later the host goes on alone")),
    ):
        state = counts.get(part, {}).get("state", "ok")
        if state not in ("ok", "connected", "starting"):
            problems.append(_("The host's {part}: {state}. Meanwhile {effect}.").format(
                part=_(part), state=translate(state), effect=_(effect)))
    for thread, error in counts.get("failures", {}).items():
        problems.append(_("The host's {thread} failed and was restarted: {error}").format(
            thread=thread, error=error))
    return [{"level": "bad", "text": text} for text in problems]
