"""What Prometheus scrapes at /metrics: docs/integrations.md."""
