"""What several drivers share: retries, cut-off timers, the EZO protocol, echo timing."""
