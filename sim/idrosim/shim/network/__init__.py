"""The simulated network: Wi-Fi, sockets, DNS and broker."""
