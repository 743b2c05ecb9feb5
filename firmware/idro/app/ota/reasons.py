"""Why a node restarts during an update."""

# A restart for this reason is not a crash.
PLANNED = "restarted into an update"
