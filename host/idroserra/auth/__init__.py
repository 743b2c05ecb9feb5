"""Authentication and authorization: users, sessions, tokens, roles and the audit log."""
