"""The node itself: hardware, clock, settings, sampling, commands, composition root."""
