"""The settings of the host on the page: their pages and their HTTP API."""
