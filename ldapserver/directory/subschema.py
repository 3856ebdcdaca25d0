"""The subschema entry (RFC 4512 section 4.2): what clients read to learn the whole schema."""

from collections.abc import Iterator

from ldapserver.directory.entry import Entry
from ldapserver.directory.evaluation import readable_type
from ldapserver.directory.matching import EQUALITY, ORDERING, Rule, equality_rule
from ldapserver.directory.operational import Operational
from ldapserver.directory.schema import SUBSCHEMA, Schema

_ANY_INTEGER = ("integerbitandmatch", "integerbitormatch")


class Subschema:
    """The entry, made when it is asked for and again when the schema is another."""

    def __init__(self, operational: Operational) -> None:
        self._operational = operational
        self._created = operational.now()
        self._of: Schema | None = None
        self._entry = Entry(SUBSCHEMA, ())

    def entry(self, schema: Schema) -> Entry:
        """The entry that publishes all of `schema`."""
        if schema is not self._of:
            modified = self._operational.now() if self._of is not None else self._created
            self._of, self._entry = schema, _entry(schema, self._created, modified)
        return self._entry


def _entry(schema: Schema, created: tuple[bytes, ...], modified: tuple[bytes, ...]) -> Entry:
    described = {each.oid: each.definition for each in schema.syntaxes}
    syntaxes = {each.syntax for each in schema.attribute_types} | {each.syntax for each in schema.matching_rules}
    return Entry(
        SUBSCHEMA,
        (
            ("objectClass", (b"top", b"subentry", b"subschema", b"extensibleObject")),
            ("cn", (b"Subschema",)),
            # "{ }" is the whole administrative area, RFC 3672 section 2.1.
            ("subtreeSpecification", (b"{ }",)),
            ("structuralObjectClass", (b"subentry",)),
            ("createTimestamp", created),
            # Clients that keep what they have read compare it before they read again.
            ("modifyTimestamp", modified),
            (
                "ldapSyntaxes",
                [described.get(oid, f"( {oid} )").encode() for oid in sorted(syntaxes | described.keys(), key=_arcs)],
            ),
            ("matchingRules", [each.definition.encode() for each in schema.matching_rules]),
            ("matchingRuleUse", list(_matching_rule_use(schema))),
            ("attributeTypes", [each.definition.encode() for each in schema.attribute_types]),
            ("objectClasses", [each.definition.encode() for each in schema.object_classes]),
        ),
    )


def _matching_rule_use(schema: Schema) -> Iterator[bytes]:
    """Which types each rule can be asked for in an extensible filter, RFC 4512 section 4.1.4."""
    readable = [each for each in schema.attribute_types if readable_type(schema, each.oid) is not None]
    applied: dict[frozenset[str], str] = {}
    for description in schema.matching_rules:
        rule = _extensible_rule(schema, description.name.lower())
        if rule is None:
            continue
        names = applied.get(rule.syntaxes)
        if names is None:
            fitting = [(each.names or (each.oid,))[0] for each in readable if rule.fits(each)]
            names = applied[rule.syntaxes] = fitting[0] if len(fitting) == 1 else f"( {' $ '.join(fitting)} )"
        if names != "(  )":
            yield f"( {description.oid} NAME '{description.name}' APPLIES {names} )".encode()


def _extensible_rule(schema: Schema, name: str) -> Rule | None:
    """The rule that an extensible filter would use; a substrings rule is asked for by a substrings filter."""
    if name in _ANY_INTEGER:
        return EQUALITY["integermatch"]
    return equality_rule(schema, name) or ORDERING.get(name)


def _arcs(oid: str) -> list[int]:
    return [int(arc) for arc in oid.split(".")]
