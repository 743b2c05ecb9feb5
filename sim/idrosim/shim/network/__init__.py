"""Simulated network: Wi-Fi, sockets, DNS and broker."""
