"""Some two hundred entries that two servers are asked about: whatever makes matching, naming and showing hard."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from tests.interop.slapd import BASE

VARIED = f"ou=varied,{BASE}"
READER = f"uid=reader,{VARIED}"
READER_PASSWORD = "may read"

# Types of ours that slapd's schema files have not got, and that have syntaxes which none of theirs has for users.
ALSO_FOR_SLAPD = (
    "localeID",
    "showInAdvancedViewOnly",
    "isCriticalSystemObject",
    "dSCorePropagationData",
    "objectGUID",
)

STRINGS = (
    *("Babs Jensen", "babs  jensen", "BABS JENSEN", "Babs", "Jensen Babs", " leading", "trailing ", "  both  "),
    *(
        "inner   blanks  here",
        "x*y",
        "x(y)",
        "back\\slash",
        'comma, plus+ "quote"',
        "#hash",
        "semi;colon",
        "a=b",
        "<a>",
    ),
    *("1", "01", "-1", "10", "9", "Ünïcode", "U\u0308ni\u0308code", "ünïcode", "é", "e\u0301", "É", "Å", "\u212b"),
    *("straße", "STRASSE", "strasse", "istanbul", "İstanbul", "ıstanbul", "ISTANBUL", "ＡＢＣ", "abc", "ﬁne", "fine"),
    *(
        "σίγμας",
        "ΣΊΓΜΑΣ",
        "日本語",
        "emoji 😀",
        "\u212a",
        "k",
        "Ǆ",
        "ǆ",
        "no\u00a0break",
        "no break",
        "soft\u00adhyphen",
    ),
    *(
        "softhyphen",
        "tab\tbed",
        "tab bed",
        "zero\u200bwidth",
        "zerowidth",
        "a$b",
        "a\\24b",
        "ﷺ",
        "½",
        "①",
        "z",
        "Z",
        "~",
    ),
)
# IA5 and Printable strings
ASCII = (
    "una.one@contoso.com",
    "UNA.ONE@CONTOSO.COM",
    "una",
    "a  b",
    "x*y",
    "~",
    "A",
    "b",
    "0",
    "una.two@contoso.com",
)
TELEPHONES = ("+1 408 555-1212", "+14085551212", "+1 (408) 5551212", "408-555", "4085 55", "555", "+49 89 1", "0")
POSTAL = (
    "1 Main St$Anytown$US",
    "1 main  st$ANYTOWN $us",
    "Only line",
    "Cost \\24 5$Back \\5C slash",
    "a$b$c$d",
    "A$b",
)
NUMERIC = ("15 079 672 281", "15079672281", "1 5", "15", "0", "99")
INTEGERS = ("0", "1", "-1", "7", "8", "10", "65536", "-65537", "2147483647", "-2147483648", "9223372036854775808")
HUGE = ("123456789012345678901234567890", "-123456789012345678901234567890", "18446744073709551616")
TIMES = (
    *(
        "20240229120000Z",
        "20240229130000+0100",
        "202402291200Z",
        "2024022912Z",
        "20240229120000.5Z",
        "20240229120000,5Z",
    ),
    *("20240229103000-0130", "19991231235959Z", "19991231235960Z", "20000101000000Z", "20240229120000.50Z"),
)
BITS = ("'0101'B", "'01010'B", "''B", "'1'B", "'0101000'B")
OCTETS = (
    b"\0\1\2",
    b"\0\1\2\3",
    b"",
    b"plain",
    b"PLAIN",
    bytes(range(0x80, 0x90)),
    b"\xff\xd8\xff\xe0",
    b"a b",
    b"*",
)
LANGUAGES = ("de", "en", "fr-CH, de;q=0.8", "EN")
PATHS = ("/home/u1", "/HOME/u1", "/home/u 1", "/home/u  1", "/", "/home")
URIS = ("http://contoso.com/ Contoso", "HTTP://contoso.com/ Contoso", "ldap:///", "http://contoso.com/")

# Names of entries below ou=names, as text and so with its escapes.
RDNS = (
    *(
        "cn=plain",
        "CN=Upper Type",
        "commonName=long type",
        "2.5.4.3=oid type",
        "cn=comma\\, inside",
        "cn=plus\\+inside",
    ),
    *(
        'cn=quote\\"inside',
        "cn=back\\\\slash",
        "cn=less\\<more\\>",
        "cn=semi\\;colon",
        "cn=equals=inside",
        "cn=\\#hash",
    ),
    *(
        "cn=\\ leading",
        "cn=trailing\\ ",
        "cn=in  ner",
        "cn=hex\\2C\\20comma",
        "cn=Ünï",
        "cn=\\C3\\A9t\\C3\\A9",
        "cn=日本",
    ),
    *(
        "cn=multi+sn=valued",
        "sn=other+cn=order",
        "cn=three+sn=valued+ou=name",
        "ou=unit+l=here",
        "cn=x*y(z)",
        "cn=a#b",
    ),
    *("cn=straße", "cn=ＦＵＬＬ", "cn=e\u0301a", "cn=UPPER lower", "cn=a\\0ab", "cn=1", "sn=only a surname"),
    *(
        "cn = spaced",
        "serialNumber=12-34",
        "cn=ends with slash\\\\",
        "cn=\\20\\20two",
        "cn=tr\\2Bi\\3Dck",
        "cn=dot.ted",
    ),
)

# Pairs of names that are, or are not, the same by some reader.
PAIRS = [
    (pair["a"], pair["b"])
    for pair in json.loads(Path(__file__).parents[1].joinpath("vectors", "dns.json").read_text("utf-8"))["equal"]
]


@dataclass(frozen=True)
class Written:
    """An entry as it is written in LDIF: its name and each (description, values)."""

    dn: str
    attributes: tuple[tuple[str, tuple[bytes, ...]], ...]

    @property
    def ldif(self) -> str:
        """One record."""
        lines = [f"dn:: {b64encode(self.dn.encode()).decode()}"]
        lines += [f"{name}:: {b64encode(value).decode()}" for name, values in self.attributes for value in values]
        return "\n".join(lines) + "\n"


def varied_entries() -> list[Written]:
    """All of them, each behind the one above it."""
    entries = [
        *_tops(),
        *_people(),
        *_named(),
        *_numbers(),
        *_groups(),
        *_octets(),
        *_other_classes(),
        *_deep(),
        *_with_names_for_values(),
    ]
    return [_with_operational(entry, number) for number, entry in enumerate(entries)]


def _with_operational(entry: Written, number: int) -> Written:
    """What slapd would make up if it were not there, and would make otherwise every time."""
    structural = next(values for name, values in entry.attributes if name == "structuralObjectClass")
    assert len(structural) == 1
    month = f"{number % 12 + 1:02}"
    return Written(
        entry.dn,
        (
            *entry.attributes,
            ("entryUUID", (str(UUID(int=0x10000 + number, version=4)).encode(),)),
            ("creatorsName", (BASE.encode(),)),
            ("modifiersName", (READER.encode(),)),
            ("createTimestamp", (f"2024{month}01000000Z".encode(),)),
            ("modifyTimestamp", (f"2025{month}01120000Z".encode(),)),
        ),
    )


Value = str | bytes


def _entry(
    dn: str, structural: str, classes: Iterable[str] = (), /, **attributes: Value | Iterable[Value]
) -> Written:
    """One; an option is written behind two underscores, cn__lang_de."""
    written: list[tuple[str, tuple[Value, ...]]] = [
        ("objectClass", (structural, *classes)),
        ("structuralObjectClass", (structural,)),
    ]
    for name, values in attributes.items():
        several = (values,) if isinstance(values, str | bytes) else tuple(values)
        if several:
            written.append((name.replace("__", ";").replace("_", "-"), several))
    octets = [(name, tuple(v if isinstance(v, bytes) else v.encode() for v in values)) for name, values in written]
    return Written(dn, tuple(octets))


def _turn(pool: tuple[str, ...], start: int, count: int) -> tuple[str, ...]:
    """`count` neighbours of a pool, one for each that match: slapd takes no two equal values."""
    return tuple(dict.fromkeys(pool[(start + 7 * step) % len(pool)] for step in range(count)))


def _tops() -> Iterator[Written]:
    yield _entry(BASE, "organization", ["dcObject"], o="Contoso", dc="contoso")
    yield _entry(VARIED, "organizationalUnit", ou="varied", description="Where all of them are")
    for name in ("people", "names", "numbers", "groups", "octets", "others", "pairs"):
        yield _entry(f"ou={name},{VARIED}", "organizationalUnit", ou=name)
    yield _entry(READER, "inetOrgPerson", uid="reader", cn="Reader", sn="Reader", userPassword=READER_PASSWORD)


def _people() -> Iterator[Written]:
    for number, string in enumerate(STRINGS):
        dn = f"uid=p{number},ou=people,{VARIED}"
        after = STRINGS[(number + 1) % len(STRINGS)]
        more: dict[str, Value | Iterable[Value]] = {}
        if number % 2 == 0:
            more |= {"mail": _turn(ASCII, number, 1), "telephoneNumber": _turn(TELEPHONES, number // 2, 1)}
        if number % 3 == 0:
            more |= {"postalAddress": _turn(POSTAL, number // 3, 1), "x121Address": _turn(NUMERIC, number // 3, 1)}
        if number % 4 == 0:
            more |= {"description__lang_de": STRINGS[-number], "cn__lang_en": f"{number} {string}", "title": after}
        if number % 5 == 0:
            more |= {
                "manager": f"UID=P{number // 5}, OU=People , {VARIED}",
                "preferredLanguage": LANGUAGES[number % 4],
            }
            more |= {"seeAlso": [READER, f"uid=p{number},ou=people,{VARIED}"], "labeledURI": URIS[number % 4]}
        if number % 7 == 0:
            more |= {"displayName": string, "employeeNumber": str(number), "carLicense": [string, f"{after}!"]}
        if number % 11 == 0:
            more |= {"facsimileTelephoneNumber": "+1 555", "destinationIndicator": "AB", "homePhone": "5 55"}
        yield _entry(dn, "inetOrgPerson", uid=f"p{number}", cn=string, sn=after, description=[string, "both"], **more)


def _named() -> Iterator[Written]:
    for number, rdn in enumerate(RDNS):
        more = {"description": f"name {number}"}
        yield _entry(f"{rdn},ou=names,{VARIED}", "person", ["extensibleObject"], cn=f"n{number}", sn="Named", **more)
    for rdn in ("cn=below", "cn=comma\\, inside"):
        yield _entry(f"{rdn},cn=comma\\2c inside,ou=names,{VARIED}", "person", cn="deeper", sn="Named")


def _numbers() -> Iterator[Written]:
    for number in range(24):
        dn = f"uid=n{number},ou=numbers,{VARIED}"
        yield _entry(
            dn,
            "account",
            ["posixAccount", "shadowAccount", "extensibleObject"],
            uid=[f"n{number}", f"{number}"],
            cn=f"N {number}",
            uidNumber=INTEGERS[number % len(INTEGERS)],
            gidNumber=INTEGERS[number * 3 % len(INTEGERS)],
            homeDirectory=PATHS[number % len(PATHS)],
            gecos=ASCII[number % len(ASCII)],
            localeID=[*_turn(INTEGERS, number, 2), *HUGE[: number % 4]],
            showInAdvancedViewOnly="TRUE" if number % 2 else "FALSE",
            isCriticalSystemObject=() if number % 3 else "TRUE",
            dSCorePropagationData=TIMES[number % len(TIMES)],
            x500UniqueIdentifier=BITS[number % len(BITS)],
        )


def _groups() -> Iterator[Written]:
    people = [f"uid=p{number},ou=people,{VARIED}" for number in range(6)]
    spelled = [f"UID=P0 , ou=PEOPLE,{VARIED}", f"userid=p1,ou=people,{VARIED}", f"uid=p\\32,ou=people,{VARIED}"]
    escaped = [f"cn=comma\\2C inside,ou=names,{VARIED}", f"sn=valued+cn=multi,ou=names,{VARIED}"]
    for number, members in enumerate((people[:1], people[1:4], spelled, escaped, [f"cn=nobody,{BASE}"])):
        yield _entry(f"cn=g{number},ou=groups,{VARIED}", "groupOfNames", cn=f"g{number}", member=members)
    for number, members in enumerate(
        ([people[0]], [f"{people[0]}#'0101'B"], [f"{people[0]}#''B", people[2]], [f"UID=P0,ou=people,{VARIED}#'1'B"])
    ):
        dn = f"cn=u{number},ou=groups,{VARIED}"
        yield _entry(dn, "groupOfUniqueNames", cn=f"u{number}", uniqueMember=members)
    yield _entry(f"cn=empty,ou=groups,{VARIED}", "posixGroup", cn="empty", gidNumber="1")
    yield _entry(
        f"cn=posix,ou=groups,{VARIED}", "posixGroup", cn="posix", gidNumber="7", memberUid=["p1", "P1", "p2"]
    )


def _octets() -> Iterator[Written]:
    for number, octets in enumerate(OCTETS):
        dn = f"cn=o{number},ou=octets,{VARIED}"
        held = ("jpegPhoto", "audio", "userPKCS12", "userPassword") if octets else ()
        more = dict.fromkeys(held, octets)
        yield _entry(dn, "inetOrgPerson", cn=f"o{number}", sn="Octets", **more)


def _other_classes() -> Iterator[Written]:
    for structural, more in (
        ("person", {"cn": "c0", "sn": "Class"}),
        ("organizationalPerson", {"cn": "c1", "sn": "Class", "street": "1 Main St"}),
        ("residentialPerson", {"cn": "c2", "sn": "Class", "l": "Here"}),
        ("device", {"cn": "c3", "serialNumber": "12 34-A"}),
        ("applicationProcess", {"cn": "c4"}),
        ("organizationalRole", {"cn": "c5", "roleOccupant": READER}),
        ("groupOfNames", {"cn": "c6", "member": READER}),
        ("room", {"cn": "c7", "roomNumber": "7"}),
        ("document", {"cn": "c8", "documentIdentifier": "d8", "documentTitle": "Titel"}),
        ("locality", {"l": "c9", "st": "State"}),
        ("country", {"c": "DE"}),
        ("domain", {"dc": "c11", "associatedName": READER}),
        ("organization", {"o": "c12", "businessCategory": "Trade"}),
    ):
        name = next(iter(more))
        yield _entry(f"{name}={more[name]},ou=others,{VARIED}", structural, **more)
    top = ["TOP", "Person", "organizationalperson", "uidObject", "labeledURIObject"]
    dn = f"cn=all classes,ou=others,{VARIED}"
    yield _entry(dn, "inetOrgPerson", top, cn="all classes", sn="Class", uid="all", labeledURI=URIS[0])
    dn = f"cn=host,ou=others,{VARIED}"
    yield _entry(
        dn, "device", ["ipHost", "ieee802Device"], cn="host", ipHostNumber="10.0.0.1", macAddress="0:1:2:3:4:5"
    )


def _deep() -> Iterator[Written]:
    dn = VARIED
    for depth in range(12):
        dn = f"ou=d{depth},{dn}"
        yield _entry(dn, "organizationalUnit", ou=f"d{depth}", description=f"depth {depth}")


def _with_names_for_values() -> Iterator[Written]:
    for number, (name, _) in enumerate(PAIRS):
        dn = f"cn=pair{number},ou=pairs,{VARIED}"
        # slapd takes no RDN that has a type twice, and of its LDIF no empty name.
        see_also = [name] if name and "o=A+o=" not in name and name != "o=a+o=B" else []
        yield _entry(dn, "person", cn=f"pair{number}", sn="Pair", seeAlso=see_also)
