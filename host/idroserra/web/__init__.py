"""The page an operator opens, and the HTTP API under it."""
