"""Why something happened or did not, as data: a code of `reasons.REASONS` with its values.

The host puts reasons into words; a node only compares codes.
"""


class Reason:
    """A code with its values: integers, booleans, names, or another Reason.

    json.dumps() of MicroPython does not refuse a Reason, but writes its repr: only as_json() is
    sent or stored. The outbox converts those in the detail of an event.
    """

    def __init__(self, code, **values):
        self.code = code
        self.values = values

    def as_json(self):
        """Return the object of the wire: {"code": ..., "values": {...}}."""
        values = {}
        for name, value in self.values.items():
            values[name] = value.as_json() if isinstance(value, Reason) else value
        return {"code": self.code, "values": values}

    def is_like(self, other):
        """True if both say the same, whatever the numbers in them: countdowns and readings."""
        if other is None or self.code != other.code:
            return False
        for name, value in self.values.items():
            before = other.values.get(name)
            if isinstance(value, Reason):
                if not isinstance(before, Reason) or not value.is_like(before):
                    return False
            elif isinstance(value, str) and value != before:
                return False
        return True

    def __eq__(self, other):
        return (
            isinstance(other, Reason) and self.code == other.code and self.values == other.values)

    def __hash__(self):
        return hash(self.code)

    def __repr__(self):
        values = ", ".join([f"{name}={value!r}" for name, value in self.values.items()])
        return f"{self.code}({values})"
