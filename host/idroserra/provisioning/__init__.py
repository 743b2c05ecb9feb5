"""What makes a flashed board a node of a site, over USB (docs/flash.md)."""
