"""Copies a host to a standby, follows such a copy, and takes over."""
