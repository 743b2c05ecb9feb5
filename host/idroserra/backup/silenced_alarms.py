"""Keeps alarms that a backup silences from staying silent after its restore.

A person who shelved an alarm, took it out of service or acknowledged it meant the time of the
backup. What the folder that is replaced silences too stays so.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from idroserra.alarms.database import AlarmDatabase, Silenced
from idroserra.alarms.notify.outbox import Outbox
from idroserra.alarms.page_settings import RECIPIENTS, RULES
from idroserra.core.errors import StoreUnavailable
from idroserra.core.page_settings import FILE as SETTINGS
from idroserra.core.reasons import Reason
from idroserra.core.sqlite import connect_reader
from idroserra.i18n.translate import gettext as _

ALARMS = "alarms.db"


def annunciate_again(
    staging: Path, folder: Path, now: datetime, report: Callable[[str], None]
) -> None:
    """Annunciate in `staging` the alarms that it silences, and `folder`, which is to be replaced,
    does not; report them. Also report the rules that it switches off and the recipients that it
    brings back.

    Damage in `folder` is reported only. Raises sqlite3.Error, StoreUnavailable, ValueError."""
    if (staging / ALARMS).exists():
        silenced: dict[str, Silenced] = {}
        try:
            silenced = _silenced(folder / ALARMS)
        except sqlite3.Error as error:
            report(f"{folder / ALARMS}: {error}")
        with closing(AlarmDatabase(staging / ALARMS)) as alarms:
            keys = alarms.annunciate_again(
                silenced, Reason("backup_restored"), int(now.timestamp() * 1_000))
        with closing(Outbox(staging / ALARMS)) as outbox:
            outbox.forget(list(outbox.last_notifications()))
            if outbox.failure:
                raise StoreUnavailable(f"{ALARMS}: {outbox.failure}")
        if keys:
            report(_("alarms that the backup has shelved or out of service are annunciated "
                     "again: {keys}").format(keys=", ".join(keys)))
    if (staging / SETTINGS).exists() and (folder / SETTINGS).exists():
        _report_settings(staging / SETTINGS, folder / SETTINGS, report)


def _silenced(path: Path) -> dict[str, Silenced]:
    """Return what is shelved or out of service now, by key. Raises sqlite3.Error."""
    if not path.exists():
        return {}
    with closing(connect_reader(path)) as database:
        return {key: Silenced(until_unix_ms, bool(is_out)) for key, until_unix_ms, is_out in
                database.execute("SELECT key, shelved_until_unix_ms, is_out_of_service FROM alarms"
                                 " WHERE shelved_until_unix_ms IS NOT NULL OR is_out_of_service")}


def _report_settings(backup: Path, current: Path, report: Callable[[str], None]) -> None:
    """Report what the settings of the backup make quieter, or send to more people.

    Raises sqlite3.Error, ValueError."""
    rules_off, recipients = _alarm_settings(backup)
    try:
        known_off, known = _alarm_settings(current)
    except (sqlite3.Error, ValueError) as error:
        report(f"{current}: {error}")
        return
    if off := sorted(rules_off - known_off):
        report(_("alarm rules that were on and that the backup switches off: {names}").format(
            names=", ".join(off)))
    if back := sorted(recipients - known):
        report(_("recipients who were removed since the backup are notified again: "
                 "{names}").format(names=", ".join(back)))


def _alarm_settings(path: Path) -> tuple[set[str], set[str]]:
    """Return the rules that are switched off and the recipients. Raises sqlite3.Error,
    ValueError."""
    with closing(connect_reader(path)) as database:
        rows = database.execute("SELECT section, name, value FROM settings"
                                " WHERE section IN (?,?)", (RULES, RECIPIENTS)).fetchall()
    off = {name for section, name, value in rows
           if section == RULES and json.loads(value).get("enabled") is False}
    return off, {name for section, name, _value in rows if section == RECIPIENTS}
