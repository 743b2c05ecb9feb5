"""Board files: schema, validation, pins, pinout drawings and the compiler."""
