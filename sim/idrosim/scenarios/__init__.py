"""Scenarios: loader, events, expectations, traces and reports."""
