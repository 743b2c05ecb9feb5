"""`idroserra move`: move the nodes of a site to another host."""
