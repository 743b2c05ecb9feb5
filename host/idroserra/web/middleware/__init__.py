"""Middleware: connection limits, authentication and security headers."""
