"""Terminal user interface of `idroserra watch`."""
