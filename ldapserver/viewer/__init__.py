"""Reading audit logs back: what a line says, which are asked for, and what all of them say together."""
