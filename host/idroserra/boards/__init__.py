"""Board files: schema, checks, pin tables, drawings and the compiler."""
