"""What makes the parts a node: hardware, clock, settings, sampling, commands, composition root."""
