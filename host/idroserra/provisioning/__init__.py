"""Provisions a flashed board over USB as a node of a site (docs/flash.md)."""
