"""Solves water chemistry problems for `idroserra chem`."""
