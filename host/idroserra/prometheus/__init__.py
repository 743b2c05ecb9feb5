"""Exports metrics for Prometheus at /metrics: docs/integrations.md."""
