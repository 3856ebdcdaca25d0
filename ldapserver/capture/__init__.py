"""LDAP sessions recorded on their way to a server, kept in files, read back, and played again."""
