"""What a person adopted: which value of which device is shown under which name, and its limits."""

from __future__ import annotations

import threading
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from idroserra.core import protocol
from idroserra.core.errors import InvalidInput, NotFound
from idroserra.core.page_settings import PageSettings
from idroserra.core.validation import ValidationError, string_pattern, validate

SECTION = "foreign"  # of the page's settings
MAX_ADOPTED = 100
NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}$"
Name = Annotated[str, string_pattern(NAME_PATTERN)]
Line = Annotated[str, string_pattern(r"^[^\x00-\x1f\x7f]*$", max_length=60)]


class BadAdoption(InvalidInput):
    """An adoption with an invalid value. The message names the key."""


class UnknownForeign(NotFound):
    """No foreign reading of this name is adopted, or no such value has been seen."""


class Adopted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A foreign reading. low, high: the plausible range, in the unit of the quantity; a value
    outside counts as none; of a leak always 0 and 1. too_old_s: the age from which the newest
    value is not shown."""

    name: Name
    place: Line = ""
    device: Annotated[str, Meta(min_length=1, max_length=200)]
    field: Annotated[str, Meta(min_length=1, max_length=60)]
    quantity: str
    low: float
    high: float
    too_old_s: Annotated[int, Meta(ge=30, le=7 * 86_400)]

    def __post_init__(self) -> None:
        """Raises ValidationError for an unknown quantity or an impossible range."""
        quantity = protocol.FOREIGN_QUANTITIES.get(self.quantity)
        if quantity is None:
            raise ValidationError(["quantity"], "must be one of "
                                  + ", ".join(protocol.FOREIGN_QUANTITIES))
        if self.quantity == "leak":  # no range may make a leak implausible
            msgspec.structs.force_setattr(self, "low", quantity.low)
            msgspec.structs.force_setattr(self, "high", quantity.high)
        if not quantity.low <= self.low < self.high <= quantity.high:
            raise ValidationError(["low"], f"must be less than high, and both within "
                                  f"{quantity.low} to {quantity.high} {quantity.unit}")

    @property
    def node(self) -> str:
        """The key of its history: no node has it."""
        return f"{protocol.FOREIGN_NODE}{self.name}"

    @property
    def channel(self) -> str:
        """The channel of its history."""
        return f"{protocol.FOREIGN}.{self.quantity}"


class Adoptions:
    """The adopted readings, in settings.db. Any thread may call."""

    def __init__(self, settings: PageSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        found = (self._stored(value) for value in settings.all(SECTION).values())
        self._use({one.name: one for one in found if one is not None})

    def all(self) -> list[Adopted]:
        """Return the adopted readings by name."""
        return sorted(self._by_name.values(), key=lambda one: one.name)

    def find(self, device: str, field: str) -> Adopted | None:
        """Return the reading of a value, None if it is not adopted."""
        return self._by_value.get((device, field))

    def put(self, values: dict[str, Any], by: str, now_unix_ms: int) -> Adopted:
        """Adopt a value, or change its name's adoption. Raises BadAdoption, StoreUnavailable."""
        try:
            new = validate(values, Adopted)
        except ValidationError as error:
            raise BadAdoption(f"{'.'.join(error.path)}: {error.why}") from None
        with self._lock:
            other = self.find(new.device, new.field)
            if other is not None and other.name != new.name:
                raise BadAdoption(f"name: this value is adopted already, as {other.name}")
            if new.name not in self._by_name and len(self._by_name) >= MAX_ADOPTED:
                raise BadAdoption(f"name: {MAX_ADOPTED} readings are adopted: forget one first")
            self._settings.put(SECTION, new.name, msgspec.to_builtins(new), by, now_unix_ms)
            self._use({**self._by_name, new.name: new})
        return new

    def remove(self, name: str) -> None:
        """Forget a reading; its history stays. Raises UnknownForeign, StoreUnavailable."""
        with self._lock:
            if name not in self._by_name:
                raise UnknownForeign(f"no foreign reading {name[:40]!r}")
            self._settings.remove(SECTION, name)
            self._use({key: one for key, one in self._by_name.items() if key != name})

    def _use(self, by_name: dict[str, Adopted]) -> None:
        self._by_name = by_name
        self._by_value = {(one.device, one.field): one for one in by_name.values()}

    @staticmethod
    def _stored(value: Any) -> Adopted | None:
        """Return a stored adoption, None for one that this version does not understand."""
        try:
            return validate(value, Adopted)
        except ValidationError:
            return None
