"""The root DSE: what the server says of itself, computed from what it does (RFC 4512 section 5.1)."""

from ldapserver.controls import SUPPORTED_CONTROLS
from ldapserver.directory.dialect import RootDSE
from ldapserver.directory.entry import Entry
from ldapserver.extended import CANCEL, EXTENDED_OPERATIONS, START_TLS
from ldapserver.service import Service
from ldapserver.wire.dn import ROOT

VENDOR_NAME = "sasl-digest"

FEATURES = (
    "1.3.6.1.4.1.4203.1.5.1",  # "+" for all operational attributes: RFC 3673
    "1.3.6.1.4.1.4203.1.5.2",  # "@person" for the attributes of a class: RFC 4529
    "1.3.6.1.4.1.4203.1.5.3",  # (&) and (|), true and false: RFC 4526
    "1.3.6.1.4.1.4203.1.5.4",  # attribute descriptions with language tags: RFC 3866 section 2.1
    "1.3.6.1.4.1.4203.1.5.5",  # and with language ranges: RFC 3866 section 2.2
    "1.3.6.1.1.14",  # a modify that increments: RFC 4525
)


def root_dse(service: Service, version: str, mechanisms: tuple[str, ...]) -> Entry:
    """The entry of no name, as things stand now on a connection where these mechanisms are offered."""
    directory = service.directory
    extensions: tuple[str, ...] = (*EXTENDED_OPERATIONS, CANCEL, *((START_TLS,) if service.start_tls else ()))
    if service.explainer is not None:
        from ldapserver.explaining import EXPLAIN

        extensions += (EXPLAIN,)
    attributes: RootDSE = (
        ("objectClass", ("top",)),
        ("namingContexts", tuple(str(dn) for dn in directory.naming_contexts)),
        ("subschemaSubentry", (str(directory.subschema.dn),)),
        ("supportedControl", SUPPORTED_CONTROLS),
        ("supportedExtension", extensions),
        ("supportedFeatures", FEATURES),
        ("supportedLDAPVersion", ("3",)),
        ("supportedSASLMechanisms", mechanisms),
        ("vendorName", (VENDOR_NAME,)),
        ("vendorVersion", (version,)),
    )
    if directory.dialect is not None:
        attributes = directory.dialect.root_dse(attributes, service.config.computer)
    return Entry(ROOT, [(name, [value.encode() for value in values]) for name, values in attributes if values])
