"""Certificate authorities (CAs) of the host: HTTPS for the page, TLS for the broker."""
