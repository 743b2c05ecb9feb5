"""Who may do what on this host: users, sessions, tokens, roles and the record of it all."""
