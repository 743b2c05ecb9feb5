"""Translation, units and number formats of all texts for people."""
