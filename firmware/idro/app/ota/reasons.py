"""The reason of a planned restart."""

# A restart for this reason is not a crash.
PLANNED = "restarted into an update"
