"""Client of the HTTP API of a running host."""
