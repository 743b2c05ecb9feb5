"""Simulated parts at register level, one file per part, written from the datasheet."""
