"""Client of a running host's HTTP API."""
