"""Texts of a code for the help, in the reader's language: its sentence, severity and mender."""

from __future__ import annotations

from idroserra.core.reasons import REASONS, VALUES
from idroserra.i18n.marker import N_, Plural
from idroserra.i18n.reason_texts import TEXTS
from idroserra.i18n.reasons import fault_text
from idroserra.i18n.translate import gettext, ngettext

SEVERITIES = {
    "ok": N_("as intended"),
    "wait": N_("ends by itself"),
    "check": N_("check it soon"),
    "act": N_("a person is needed now"),
}
MENDERS = {
    "node": N_("the node, by itself"),
    "grower": N_("the grower, at the tank or on the page"),
    "technician": N_("the technician: wiring, parts, files"),
}
# What stands for a value: by its name, else by the beginning of its name, else by its unit.
_BY_NAME = {
    "by": N_("person"), "detail": N_("cause"), "low_mm": N_("low level"),
    "newest": N_("version"), "oldest": N_("version"),
    "path": N_("file"), "range": N_("range"), "rh_pct": N_("humidity"),
    "task": N_("part"), "version": N_("version"),
}
_BY_BEGINNING = {"limit": N_("limit"), "target": N_("target")}
BY_UNIT = {
    "ms": N_("time"), "s": N_("time"), "ul": N_("volume"), "ul/pH": N_("volume"),
    "mpH/h": N_("drift"), "mpH": N_("pH value"), "uS/cm": N_("EC value"), "mm": N_("height"),
    "mm/h": N_("speed"), "dC": N_("temperature"), "dC difference": N_("difference"),
    "Pa": N_("pressure"), "%": N_("share"), "d": N_("days"), "": N_("number"),
    "name": N_("output"), "kind": N_("kind"), "channel": N_("reading"), "fault": N_("fault"),
    "reason": N_("reason"), "setting": N_("setting"), "text": N_("name"), "word": N_("name"),
    "decimal": N_("name"),
    "water": N_("water"),
    "reset": N_("cause"), "bus": N_("bus"), "channels": N_("readings"), "scaled": N_("value"),
    "kB": N_("size"), "MB": N_("size"), "cm2": N_("area"), "ul/s": N_("flow"),
    "ml/min": N_("flow"), "ml difference": N_("volume"), "umol/m2/s": N_("light level"),
    "mV": N_("voltage"), "dmV": N_("voltage"), "d%": N_("share"), "milli": N_("number"),
    "dmm": N_("height"), "mpH fine": N_("difference"), "mpH difference": N_("difference"),
    "uS/cm difference": N_("difference"), "MHz": N_("frequency"),
}


def sentence_of(code: str) -> str:
    """Return the sentence of a code with words such as [time] in place of its values."""
    text = TEXTS.get(code)
    if text is None:
        return fault_text(code)
    pattern = ngettext(text.one, text.many, 2) if isinstance(text, Plural) else gettext(text)
    return pattern.format_map(_Words())


def severity_of(code: str) -> str:
    """Return the severity of a reason in words, "" for a fault."""
    return gettext(SEVERITIES[REASONS[code].severity]) if code in REASONS else ""


def mender_of(code: str) -> str:
    """Return who ends a reason in words, "" for a fault."""
    return gettext(MENDERS[REASONS[code].mender]) if code in REASONS else ""


class _Words(dict[str, str]):
    """A word in brackets for each value."""

    def __missing__(self, name: str) -> str:
        return f"[{_value_word(name)}]"


def _value_word(name: str) -> str:
    beginning = name.partition("_")[0]
    word = _BY_NAME.get(name) or _BY_BEGINNING.get(beginning) or BY_UNIT.get(VALUES.get(name, ""))
    return gettext(word) if word else name
