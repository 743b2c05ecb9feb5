"""Translation and number formats of everything people read."""
