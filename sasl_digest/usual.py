"""A digest-response as nearly every client writes it (RFC 2831 section 2.1.2): a shorter way to read it.

It says what the reading of any list says (`DigestResponse.parse()` in `messages`), or leaves it to that.
"""

import re
from dataclasses import dataclass
from typing import Final

from sasl_digest.choices import CIPHERS, DEFAULT_MAXBUF, MAX_MAXBUF, MIN_MAXBUF, QOP, QOPS, Cipher
from sasl_digest.grammar import QUOTED

_LOWER_HEX: Final = b"0123456789abcdef"

# For one pass in place of a list, a mapping and a look for each directive: a sixth of the time. In any order, each at
# most once (a group that is there already fails), names in lower case, without quoted pairs. What is not written so
# (an authzid, channel bindings, what is not known) and all that is wrong is for the general reading.
_USUAL: Final = re.compile(
    rb"""
    (?: (?: username=   (?(1)(?!))  " ( %(text)b ) "
          | realm=      (?(2)(?!))  " ( %(text)b ) "
          | nonce=      (?(3)(?!))  " ( %(text)b ) "
          | cnonce=     (?(4)(?!))  " ( %(text)b ) "
          | nc=         (?(5)(?!))  ( [0-9a-f]{8} )
          | qop=        (?(6)(?!))  ("?) ( auth(?:-int|-conf)?+ ) \6
          | digest-uri= (?(8)(?!))  " ( %(text)b ) "
          | response=   (?(9)(?!))  ("?) ( [0-9a-f]{32} ) \9
          | charset=    (?(11)(?!)) ("?) utf-8 \11
          | maxbuf=     (?(12)(?!)) ( [1-9][0-9]{1,7} )
          | cipher=     (?(13)(?!)) ("?) ( 3des | des | rc4(?:-40|-56)?+ ) \13
        ) (?: ,[ \t\r\n]*+ | \Z )
    )++ \Z
    """
    % {b"text": QUOTED},
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Form:
    """How a client writes its first responses: what all of them say alike, and which piece is what.

    Pieces are what quotes part, so that each second one stands in quotes; 0 is for what does not.
    """

    pieces: int
    username: int
    realm: int
    nonce: int
    cnonce: int
    digest_uri: int
    response: int
    charset: int
    qop: QOP
    maxbuf: int
    utf8: bool
    cipher: Cipher | None


# What is outside of the quotes is the same in all first responses of a client, but for the digits of a response that
# is not in quotes itself. By the rest it is known how to read one, as the expression has found it in the first.
_FORMS: Final[dict[bytes, _Form]] = {}
_MAX_FORMS: Final = 64  # a client writes one
_MAX_FORM: Final = 255  # octets of what it is known by
# Translations that change what may not stand in quotes or begins a quoted pair, and what is no digit of a response:
# into what neither of them changes, or that octet itself would pass.
_UNCHANGED: Final = bytes(at if at == 0x22 or re.fullmatch(QUOTED, b"%c" % at) else 0x30 for at in range(256))
_DIGITS_UNCHANGED: Final = bytes(at if at in _LOWER_HEX else 0x30 for at in range(256))


def fields(data: bytes) -> tuple[object, ...] | None:
    """Those of the DigestResponse that `data` writes as usual; None where it is for the general reading."""
    pieces = data.split(b'"')
    outside = b'"'.join(pieces[::2])
    before, _, behind = outside.partition(b"response=")
    in_quotes = behind.startswith(b'"')
    known_by = outside if in_quotes else before + b"response=?" + behind[32:]
    form = _FORMS.get(known_by)
    if form is None or len(pieces) != form.pieces:
        return _matched(data, known_by)
    response = pieces[form.response] if in_quotes else behind[:32]
    if (
        len(response) != 32
        or response.translate(_DIGITS_UNCHANGED) != response
        or data.translate(_UNCHANGED) != data
        or (form.charset and pieces[form.charset] != b"utf-8")
    ):
        return None
    try:
        return (
            pieces[form.username].decode(),
            pieces[form.realm].decode() if form.realm else None,
            pieces[form.nonce],
            pieces[form.cnonce],
            1,
            pieces[form.digest_uri],
            response,
            form.qop,
            form.maxbuf,
            form.utf8,
            form.cipher,
            None,  # authzid
            None,  # other_username
            None,  # bound
        )
    except UnicodeDecodeError:
        return None


def _matched(data: bytes, known_by: bytes) -> tuple[object, ...] | None:
    """The same by the regular expression. How a first response is written is kept, by what it is `known_by`."""
    match = _USUAL.match(data)
    if match is None:
        return None
    # Of what may be in quotes or not, the quote in front, which may be empty: "in".
    username, realm, nonce, cnonce, nc, qop_in, qop, uri, response_in, response, *others = match.groups()
    charset_in, maxbuf, cipher_in, cipher_named = others
    if username is None or nonce is None or cnonce is None or nc is None or uri is None or response is None:
        return None
    size = DEFAULT_MAXBUF if maxbuf is None else int(maxbuf)
    if not MIN_MAXBUF <= size <= MAX_MAXBUF:
        return None
    chosen, utf8 = QOP.AUTH if qop is None else QOPS[qop], charset_in is not None
    cipher = None
    if chosen is QOP.AUTH_CONF:
        # Due when auth-conf is chosen, and without a meaning when not.  Section 2.1.2, cipher
        if cipher_named is None:
            return None
        cipher = CIPHERS[cipher_named]
    if nc == b"00000001" and not qop_in and not cipher_in and len(known_by) <= _MAX_FORM:
        if len(_FORMS) >= _MAX_FORMS:
            _FORMS.clear()
        _FORMS[known_by] = _Form(
            pieces=data.count(b'"') + 1,
            username=_piece(data, match.start(1)),
            realm=_piece(data, match.start(2)),
            nonce=_piece(data, match.start(3)),
            cnonce=_piece(data, match.start(4)),
            digest_uri=_piece(data, match.start(8)),
            response=_piece(data, match.start(10)) if response_in else 0,
            charset=_piece(data, match.end(11)) if charset_in else 0,
            qop=chosen,
            maxbuf=size,
            utf8=utf8,
            cipher=cipher,
        )
    try:
        return (
            username.decode(),
            None if realm is None else realm.decode(),
            nonce,
            cnonce,
            1 if nc == b"00000001" else int(nc, 16),
            uri,
            response,
            chosen,
            size,
            utf8,
            cipher,
            None,  # authzid
            None,  # other_username
            None,  # bound
        )
    except UnicodeDecodeError:
        return None


def _piece(data: bytes, start: int) -> int:
    """Which of the pieces that quotes part begins here; 0 for what is not there, as the first is never in quotes."""
    return 0 if start < 0 else data.count(b'"', 0, start)
