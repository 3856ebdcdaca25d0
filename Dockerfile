# A directory to test against, for programs in any language:
#   docker build -t sasl-digest .
#   docker run --rm -p 3890:3890 sasl-digest
FROM python:3.13-slim

# What comes in is listed in .dockerignore: what is installed and the example, no tests and no history.
COPY . /usr/local/src/sasl-digest
# With uvloop (the extra `speed`), which `--loop auto` takes: a bind costs less CPU.
RUN pip install --no-cache-dir '/usr/local/src/sasl-digest[saslprep,speed]'

# Nothing here needs root: the port is above 1024, and nothing is written but standard output.
RUN useradd --system --no-create-home ldap
USER ldap
WORKDIR /usr/local/src/sasl-digest
EXPOSE 3890

# It is process 1, so that `docker stop` reaches it and it ends as it should.
ENTRYPOINT ["ldapserver", "serve"]
# Arguments of `docker run` take the place of all of these.
#   0.0.0.0            a port can be published from there only; --insecure-public, for passwords may come in the clear
#   --host *           clients name this server as they reach it, by a name that the container does not know
#   --audit -          the 4776 records are what `docker logs` shows on standard output
CMD ["--ldif", "examples/contoso.ldif", "--listen", "ldap://0.0.0.0:3890", "--insecure-public", "--host", "*", \
     "--audit", "-"]
