"""Every code of a reason has a text in every language that shows its values."""

import re
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from idroserra.core.reasons import REASONS, VALUES, Reason
from idroserra.i18n.marker import Plural
from idroserra.i18n.reason_texts import TEXTS
from idroserra.i18n.reasons import reason_text, value_text
from idroserra.i18n.translate import LANGUAGES, Locale, catalog_file, plural_forms, use_locale
from support.source_tree import report

LOCALES = [Locale(), Locale("it"), Locale("zh"), Locale("it", "ppm500", "F", "gal"),
           Locale("zh", "uS/cm", "F", "gal")]
# {unit: two values}, made up: each text shows the one that it is given.
EXAMPLES = {
    "ms": (240_000, 35_000), "ul": (12_500, 2_040), "ul/pH": (31_000, 7_500),
    "mpH/h": (-240, 30), "mpH": (6_040, 5_780), "uS/cm": (1_834, 1_650), "mm": (187, 93),
    "mm/h": (14, 3), "dC": (352, 187), "dC difference": (25, 68), "Pa": (1_216, 840),
    "%": (71, 100), "d": (45, 1), "": (19, 1), "kB": (904, 128), "s": (450, 61),
    "name": ("ph_down", "nutrient_a"), "kind": ("doser", "switch"),
    "channel": ("air.temp_c", "reservoir.ph"), "fault": ("stale", "crc"),
    "setting": ("ph.target", "ec.target_us_cm"), "text": ("@x 1.2/3@", "@{y}@"),
    "decimal": ("7.00", "12.88"),
    "word": ("acid", "reservoir"), "water": ("ro", "hard"),
    "reset": ("brown_out", "hard"), "bus": ("i2c.0", "uart.1"),
    "channels": ("air.temp_c air.rh_pct", "reservoir.ph"), "scaled": (312, 288),
    "mpH difference": (-460, 300), "mpH fine": (12, 31), "uS/cm difference": (23, 8),
    "dmm": (14, 63), "ml difference": (-2_500, 1_200), "ml/min": (900, 450), "ul/s": (1_250, 840),
    "cm2": (6_000, 12_500), "umol/m2/s": (240, 180), "mV": (177, 60), "dmV": (-412, 85),
    "d%": (874, 1_032), "milli": (1_040, 872), "MB": (312, 48), "MHz": (160, 240),
    "reason": (Reason("mixing", left_ms=540_000),
               Reason("b_waits", why=Reason("arming", channel="leak.float_up", count=2, of=12))),
}
_KNOWN = {  # words of a Chinese text that are not English: quantities, units, keys
    "pH", "EC", "VPD", "CO", "mS", "cm", "ppm", "µS", "kPa", "kB", "ml", "mm", "°C", "°F",
    "MB", "MHz", "CPU", "PSRAM", "MicroPython", "mV", "ul", "min", "µmol", "meq", "USB", "pip",
    "install", "idroserra", "sim",
    "true", "false", "climate", "vent_minutes", "ph", "target", "ec", "target_us_cm"}
_UPPER = re.compile(r"EC|VP|K \{|\d")  # a quantity or a figure that a text may begin with
_WORD = re.compile(r"[A-Za-z°µ_]{2,}")
_TECHNICAL = re.compile(r"@.*?@")  # of EXAMPLES["text"], which are not translated


def example(code, which):
    """Return the Reason of a code with example values, different ones of the same unit."""
    values, units = {}, []
    for name in REASONS[code].values:
        unit = VALUES[name]
        values[name] = EXAMPLES[unit][(which + units.count(unit)) % 2]
        units.append(unit)
    return Reason(code, **values)


def forms(code):
    """Return the English forms of a code's text."""
    text = TEXTS[code]
    return (text.one, text.many) if isinstance(text, Plural) else (text,)


def test_every_code_has_a_text_and_every_text_a_code():
    assert sorted(TEXTS) == sorted(REASONS)


def test_every_value_has_a_unit_with_examples():
    used = {name for row in REASONS.values() for name in row.values}
    assert sorted(used - set(VALUES)) == []
    assert {VALUES[name] for name in used} <= set(EXAMPLES)


def test_a_text_shows_exactly_the_values_of_its_code():
    wrong = []
    for code, row in REASONS.items():
        for form in forms(code):
            shown = {name for _, name, _, _ in Formatter().parse(form) if name}
            if form == forms(code)[0] != forms(code)[-1]:  # one need not be a figure
                shown.add(TEXTS[code].counted)
            if shown != set(row.values):
                wrong.append(f"{code}: {sorted(shown)}, but its values are {sorted(row.values)}")
    assert not wrong, report("Correct the text or the table (idro/protocol/reasons.py):", wrong)


def test_a_text_follows_a_colon():
    wrong = [f"{code}: {form!r}" for code in TEXTS for form in forms(code)
             if not (form[:1].islower() or form[:1] == "{" or _UPPER.match(form))
             or form.endswith(".") or "  " in form]
    assert not wrong, report("Begin in lower case, end without a full stop:", wrong)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("locale", LOCALES)
def test_every_code_is_rendered_with_its_values(locale, which):
    wrong = []
    with use_locale(locale):
        for code in REASONS:
            reason = example(code, which)
            text = reason_text(reason)
            parts = [value_text(name, value, reason.values)
                     for name, value in reason.values.items()
                     if not (isinstance(TEXTS[code], Plural) and value == 1)]
            missing = [part for part in parts if part not in text]
            if missing:
                wrong.append(f"{code}: {text!r} lacks {missing}")
            if "{" in _TECHNICAL.sub("", text):
                wrong.append(f"{code}: {text!r} has a placeholder")
    assert not wrong, report("A text does not show its values:", wrong)


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_every_text_is_translated(language):
    with catalog_file(language).open("rb") as file:
        catalog = read_po(file, locale=language)
    missing = []
    for code in TEXTS:
        key = forms(code)[0]
        message = catalog.get(key)
        if re.search(r"[a-z]", re.sub(r"\{\w+\}", "", key)) and (
                message is None or message.fuzzy or not all(plural_forms(message.string))):
            missing.append(f"{code}: {key!r}")
    assert not missing, report("Run `make words` and translate (CONTRIBUTING.md):", missing)


@pytest.mark.parametrize("which", [0, 1])
def test_no_english_is_left_in_chinese(which):
    wrong = []
    with use_locale(Locale("zh")):
        for code in REASONS:
            text = reason_text(example(code, which))
            if set(_WORD.findall(_TECHNICAL.sub("", text))) - _KNOWN:
                wrong.append(f"{code}: {text!r}")
    assert not wrong, report("Translate:", wrong)


@pytest.mark.parametrize(("code", "which", "parts"), [
    ("ec_dose", 0, ("917 ppm (500)",)),
    ("air_cold", 0, ("95,4 °F",)),
    ("air_warmed", 0, ("4,5 °F", "95,4 °F")),
    ("ph_in_band", 0, ("6,04",)),
    ("ph_high_dose", 0, ("31,0 ml", "-0,24")),
    ("vpd_high", 0, ("1,22 kPa",)),
    ("max_dose", 1, ("2,04 ml",)),
])
def test_values_are_in_the_readers_units_and_format(code, which, parts):
    with use_locale(Locale("it", "ppm500", "F", "gal")):
        text = reason_text(example(code, which))
    assert all(part in text for part in parts), text
