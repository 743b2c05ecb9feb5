"""A dimmable LED driver: its light follows the duty cycle of its dimming input."""

from idrosim.devices.shared.load import Load


class Dimmer(Load):
    """`ratio` is the share of full light."""
