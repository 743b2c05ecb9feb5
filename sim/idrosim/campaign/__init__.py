"""Fault campaigns: random cases, the fault matrix and the invariants that they check."""
