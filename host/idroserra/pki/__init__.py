"""Certificate authorities of the site: HTTPS for the page, TLS for the broker."""
