"""Log-in at an OpenID provider: authorization code flow with PKCE. Loaded where it is on."""
