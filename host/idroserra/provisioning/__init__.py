"""Sets a flashed board up as a node of a site (docs/flash.md), and renews its certificate."""
