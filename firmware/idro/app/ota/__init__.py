"""Over-the-air update: downloads a release, tries it and confirms it."""
