"""Notes that a person stopped the program at the console. Loaded only then."""

from idro.update.platform import NvsStore


def note_stop():
    """Note the stop in NVS, so that the reset that follows is no crash."""
    try:
        NvsStore().put(console=1)
    except OSError as error:
        print("console not noted:", error)
