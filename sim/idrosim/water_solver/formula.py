"""Reads the chemical formula of a salt, acid or base: its ions and its molar mass.

Only what dissolves into the ions of the chemistry is known: `5Ca(NO3)2.NH4NO3.10H2O` is, urea is
not. A formula whose charges do not cancel is an error, which finds most misprints.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Abridged standard atomic weights of IUPAC, 2021.
_WEIGHTS = {"H": 1.008, "C": 12.011, "N": 14.007, "O": 15.999, "Na": 22.990, "Mg": 24.305,
            "P": 30.974, "S": 32.06, "Cl": 35.45, "K": 39.098, "Ca": 40.078}
# group: (ion of the chemistry or None, charge)
_GROUPS: dict[str, tuple[str | None, int]] = {
    "H2PO4": ("P", -1), "HPO4": ("P", -2), "PO4": ("P", -3), "HCO3": ("C", -1), "CO3": ("C", -2),
    "NO3": ("NO3", -1), "SO4": ("SO4", -2), "NH4": ("NH4", 1), "H2O": (None, 0), "OH": (None, -1),
    "Ca": ("Ca", 2), "Mg": ("Mg", 2), "Na": ("Na", 1), "Cl": ("Cl", -1), "K": ("K", 1),
    "H": (None, 1),
}
_GROUP = re.compile("|".join(sorted(_GROUPS, key=len, reverse=True)))
_NUMBER = re.compile(r"\d{1,3}")
_MAX_CHARS = 60


class FormulaError(ValueError):
    """A formula cannot be read."""


@dataclass(frozen=True)
class Formula:
    """Ions per mole (phosphate as P, carbonate as C), and g/mol with its crystal water."""

    ions: Mapping[str, int]
    molar_mass: float


def read_formula(text: str) -> Formula:
    """Return the ions and the molar mass of a formula such as `MgSO4.7H2O`.

    Crystal water follows a dot; brackets may nest. Raises FormulaError.
    """
    if not 0 < len(text) <= _MAX_CHARS:
        raise FormulaError(f"a formula has 1 to {_MAX_CHARS} characters")
    reader = _Reader(text.replace("·", ".").replace("*", ".").replace("[", "(").replace("]", ")"))
    counts = reader.sum()
    reader.end()
    charge = sum(_GROUPS[group][1] * count for group, count in counts.items())
    if charge:
        raise FormulaError(f"the charges of {text} sum to {charge:+d}, not 0")
    ions: dict[str, int] = {}
    for group, count in counts.items():
        ion = _GROUPS[group][0]
        if ion is not None:
            ions[ion] = ions.get(ion, 0) + count
    mass = sum(group_mass(group) * count for group, count in counts.items())
    return Formula(ions, mass)


def group_mass(group: str) -> float:
    """Return the mass of an ion or group of atoms such as `NO3`, g/mol."""
    return sum(_WEIGHTS[element] * int(count or 1)
               for element, count in re.findall(r"([A-Z][a-z]?)(\d*)", group))


class _Reader:
    """Recursive descent: a sum of terms between dots, each a number and its groups."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def sum(self) -> dict[str, int]:
        """Return the count of each group up to a closing bracket or the end."""
        found: dict[str, int] = {}
        while True:
            factor = self._number()
            for group, count in self._term().items():
                found[group] = found.get(group, 0) + factor * count
            if not self._skip("."):
                return found

    def end(self) -> None:
        """Raise FormulaError if anything is left."""
        if self._at < len(self._text):
            raise self._error()

    def _term(self) -> dict[str, int]:
        found: dict[str, int] = {}
        while (one := self._one()) is not None:
            count = self._number()
            for group, inner in one.items():
                found[group] = found.get(group, 0) + count * inner
        if not found:
            raise self._error()
        return found

    def _one(self) -> dict[str, int] | None:
        """Return a group, or what is between brackets; None if neither follows."""
        if self._skip("("):
            found = self.sum()
            if not self._skip(")"):
                raise self._error()
            return found
        match = _GROUP.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return {match.group(): 1}

    def _number(self) -> int:
        """Return the number that follows, 1 without one."""
        match = _NUMBER.match(self._text, self._at)
        if match is None:
            return 1
        self._at = match.end()
        if not int(match.group()):
            raise FormulaError(f"{self._text}: a count of 0")
        return int(match.group())

    def _skip(self, char: str) -> bool:
        is_next = self._text[self._at:self._at + 1] == char
        self._at += is_next
        return is_next

    def _error(self) -> FormulaError:
        left = self._text[self._at:] or "its end"
        return FormulaError(f"{self._text} is not understood at {left}")
