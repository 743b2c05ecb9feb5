"""Solver of water chemistry problems for `idroserra chem`."""
