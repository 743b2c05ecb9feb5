"""Faults that simulated parts have in common: no acknowledge, and damaged answers."""

ENODEV = 19


class FaultyPart:
    """Base of a part whose `fault` is None or one of its FAULTS."""

    FAULTS: tuple = ()
    _fault = None

    @property
    def fault(self):
        """None or one of FAULTS."""
        return self._fault

    @fault.setter
    def fault(self, name):
        assert name is None or name in self.FAULTS, f"fault {name!r}: not one of {self.FAULTS}"
        self._fault = name


def acknowledge(part):
    """Raise OSError(ENODEV), as an I2C bus does, if `part` is unplugged."""
    if part.fault == "unplugged":
        raise OSError(ENODEV)


def damaged(part, content, mask=0x10):
    """Return `content`, its first byte damaged by fault "noisy" or a `damage_count` above 0."""
    if content and (part.damage_count > 0 or part.fault == "noisy"):
        part.damage_count = max(0, part.damage_count - 1)
        return bytes((content[0] ^ mask,)) + content[1:]
    return content
