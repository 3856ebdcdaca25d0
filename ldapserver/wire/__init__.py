"""The LDAP wire: BER, framing, RFC 4511 messages, distinguished names and filters."""
