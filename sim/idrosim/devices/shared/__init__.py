"""What several devices share: faults, the 1-Wire bus, EZO interfaces, electrical loads."""
