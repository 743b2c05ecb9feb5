"""Scenarios: TOML files, events, expectations, traces and reports."""
