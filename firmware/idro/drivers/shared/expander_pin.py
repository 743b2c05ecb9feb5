"""One output of an I2C expander, with the `value` method of machine.Pin."""

from idro.errors import FAILURES


class ExpanderPin:
    """Output `number` of an expander with `drive(number, level)`, off at `safe_level`."""

    def __init__(self, expander, number, safe_level):
        self._expander = expander
        self._number = number
        self._safe_level = safe_level

    def value(self, level):
        """Drive the pin. The safe level never fails; the other may raise OSError."""
        try:
            self._expander.drive(self._number, level)
        except FAILURES:
            if level != self._safe_level:
                raise
