"""Where accounts and entries live."""
