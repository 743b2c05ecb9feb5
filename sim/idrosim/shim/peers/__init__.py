"""Simulated hosts at the other end of the network: fake, hostile and update hosts."""
