// A login tested from Node: a server on a port of its own, started before the tests and stopped behind them.
//
//     npm install && npm test        (`ldapserver` is on the PATH)
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client, InvalidCredentialsError } from "ldapts";

const work = mkdtempSync(join(tmpdir(), "login-"));
const ldif = new URL("../../contoso.ldif", import.meta.url).pathname;
const u1 = "uid=u1,ou=people,dc=contoso,dc=com";
let server, url;

before(async () => {
  const ready = join(work, "ready");
  const options = ["--ldif", ldif, "--listen", "ldap://127.0.0.1:0", "--ready-file", ready, "--log-level", "error"];
  server = spawn("ldapserver", ["serve", ...options, "--audit", join(work, "audit.jsonl")], { stdio: "inherit" });
  // The file is there, whole, once the server accepts.
  while (!existsSync(ready)) {
    assert.equal(server.exitCode, null, "the server did not start");
    await pause(50);
  }
  url = readFileSync(ready, "utf8").split("\n")[0];
});

after(async () => {
  server.kill();
  await once(server, "exit");
  rmSync(work, { recursive: true });
});

const login = async (name, password) => {
  const client = new Client({ url });
  try {
    await client.bind(name, password);
  } finally {
    await client.unbind();
  }
};

test("the right password is let in", () => login(u1, "password"));

test("a wrong one is not, and the audit says why", async () => {
  await assert.rejects(login(u1, "letmein"), InvalidCredentialsError);
  const records = readFileSync(join(work, "audit.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(records.at(-1).winlog.event_data.Status, "0xc000006a");
});
