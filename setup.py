"""What a compiled wheel has beside the pure one: the modules that mypyc turns into C. All else is in setup.cfg.

Nothing is compiled, and mypyc not asked for, unless SASL_DIGEST_COMPILE=1: `make wheel-compiled` says so.
"""

import os
from collections.abc import Mapping
from typing import Any

from setuptools import setup

# On the way of a bind or a search, in packages; what stands in none of these lists is not on it, or gains nothing.
COMPILED = """
    sasl_digest: channel_binding choices client credentials digest grammar messages nonce_book outcomes proving server
    sasl_digest: terms usual values wdigest
    ldapserver: access asyncio_protocol bind connections cursors dispatch entries link logons lookups operation
    ldapserver: passwords polled poller referrals refusals results search_at_once selection service session stream
    ldapserver: suspension
    ldapserver.audit: file json_event json_form kinds log log_file record render status system
    ldapserver.controls: known requested responses
    ldapserver.directory: account_state accounts answers contents descriptions dialect directory entry evaluation
    ldapserver.directory: index lockout matching names operational search_at_once syntaxes tree
    ldapserver.sasl: digest_md5 mechanism plain
    ldapserver.wire: ber codec fields filter_codec framing frequent ldap_result requests responses
"""
# On the way too, but interpreted, each for what mypyc 2.4 cannot compile, or compiles to something else.
INTERPRETED = {
    "sasl_digest.errors": "exceptions that others derive from, some of them beside an OSError",
    "sasl_digest.layers": "cached properties, which would not be: a cipher would begin anew with each buffer",
    "sasl_digest.nonces": "classes that others derive from",
    "ldapserver.clock": "classes that others derive from",
    "ldapserver.config": "a dataclass that is asked for its defaults",
    "ldapserver.errors": "exceptions that others derive from",
    "ldapserver.listing": "asynchronous generators",
    "ldapserver.search": "asynchronous generators",
    "ldapserver.audit.group_commit": "a name that is a keyword in C, with an underscore more",
    "ldapserver.audit.sinks": "classes that others derive from",
    "ldapserver.directory.account": "a class derived from bytes",
    "ldapserver.directory.memory": "a class that others derive from, and generators that have to be lazy",
    "ldapserver.directory.schema": "instances that weak references point to",
    "ldapserver.directory.schemes": "dataclasses with class variables, which would become fields",
    "ldapserver.directory.type_index": "generators that have to be lazy",
    "ldapserver.directory.vocabulary": "instances that are copied",
    "ldapserver.wire.dn": "frozen values that are pickled",
    "ldapserver.wire.filters": "values that are compared, which would be by what they are and not by what they hold",
    "ldapserver.wire.frozen": "a decorator that type checkers are told of by an attribute",
    "ldapserver.wire.codes": "enums, which gain nothing",
    "ldapserver.wire.messages": "dataclasses with class variables, which would become fields",
}


def compiled() -> list[str]:
    """The names of the modules that a compiled wheel has in C."""
    rows = [line.split(": ") for line in COMPILED.split("\n") if line.strip()]
    return [f"{package.strip()}.{name}" for package, names in rows for name in names.split()]


def extensions(environment: Mapping[str, str]) -> list[Any]:
    """What setuptools is to compile: nothing, unless it is asked for."""
    if environment.get("SASL_DIGEST_COMPILE") != "1":
        return []
    from mypyc.build import mypycify  # comes with mypy, which only this needs

    paths = [f"{name.replace('.', '/')}.py" for name in compiled()]
    # One library for all, in which a call from one module to another is one in C; each module's own file leads to it.
    return mypycify(paths, opt_level="2", debug_level="0", multi_file=True, group_name="sasl_digest")


if __name__ == "__main__":
    setup(ext_modules=extensions(os.environ))
