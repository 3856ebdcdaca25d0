"""python-ldap that binds again and again in one process, where Cyrus SASL remembers the server.

again.py URL SSF PASSWORD...     a connection and a bind for each password; prints what became of it
"""

import sys
from importlib import import_module
from typing import Any

ldap: Any = import_module("ldap")
import_module("ldap.sasl")

url, ssf, *passwords = sys.argv[1:]
for password in passwords:
    connection = ldap.initialize(url)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 10)
    connection.set_option(ldap.OPT_TIMEOUT, 10)
    connection.set_option(ldap.OPT_X_SASL_SSF_MIN, int(ssf))
    connection.set_option(ldap.OPT_X_SASL_SSF_MAX, int(ssf))
    callbacks = {ldap.sasl.CB_AUTHNAME: "u1", ldap.sasl.CB_PASS: password}
    try:
        connection.sasl_interactive_bind_s("", ldap.sasl.sasl(callbacks, "DIGEST-MD5"))
        print(connection.whoami_s())
    except ldap.INVALID_CREDENTIALS:
        print("invalidCredentials")
    connection.unbind_s()
