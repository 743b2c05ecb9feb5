"""Provisions a flashed board over USB as a node of a site (docs/provision.md)."""
