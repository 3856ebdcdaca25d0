#!/usr/bin/env bash
# A login tested from bash: a server on a port of its own, two binds by OpenLDAP's tools, and what the audit says of
# them. Needs ldap-utils and libsasl2-modules (Debian), and `ldapserver` on the PATH.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; wait; rm -rf "$work"' EXIT

ldapserver serve --ldif "$here/../../contoso.ldif" --listen ldap://127.0.0.1:0 \
  --ready-file "$work/ready" --audit "$work/audit.jsonl" --log-level error &
server=$!
# The file is there, whole, once the server accepts; without the server there is nothing to wait for.
until [ -e "$work/ready" ]; do kill -0 "$server"; sleep 0.05; done
url=$(head -1 "$work/ready")

check() { # what is tested, what is due, what came
  if [ "$2" = "$3" ]; then echo "ok   $1"; else echo "FAIL $1: '$3' in place of '$2'" && exit 1; fi
}

login() { ldapwhoami -H "$url" -Q -Y DIGEST-MD5 -U "$1" -w "$2" 2>/dev/null || true; }

check 'the right password is let in' 'dn:uid=u1,ou=people,dc=contoso,dc=com' "$(login u1 password)"
check 'a wrong one is not' '' "$(login u1 letmein)"
check 'and the audit says why' '0x0 0xc000006a' \
  "$(ldapserver events --json "$work/audit.jsonl" | grep -o '"Status": *"[^"]*"' | cut -d'"' -f4 | paste -sd' ')"
