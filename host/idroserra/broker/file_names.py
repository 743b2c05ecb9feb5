"""Names of files in `line` that a module needs that must not load the certificates' library."""

SETTINGS = "cluster.json"
BROKERS_CA = "brokers.pem"
