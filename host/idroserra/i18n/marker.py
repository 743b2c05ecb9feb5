"""Marks texts for message extraction; the same as gettext's N_()."""


def N_(text: str) -> str:
    """Return `text` unchanged: it has a translation, which is looked up where it is shown."""
    return text
