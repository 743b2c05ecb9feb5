"""Databases that receive all readings and events beside the store."""
