"""Those that are measured beside each other: a module each that says how one is started."""
