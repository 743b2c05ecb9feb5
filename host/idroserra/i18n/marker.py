"""Marks texts for message extraction; the same as gettext's N_()."""


def N_(text: str) -> str:
    """Return `text` unchanged; it is translated where it is shown."""
    return text
