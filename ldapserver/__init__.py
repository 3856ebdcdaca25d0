"""A Twisted LDAP server that accepts SASL DIGEST-MD5 and records every bind (placeholder docstring, rewritten with the public names)."""
