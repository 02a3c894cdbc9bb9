// Schemathesis over our description: no failure of ours, no status, content type or shape that is not described.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { KEY, send, startGateway } from "./harness.mjs";

const CONFIG = fileURLToPath(new URL("schemathesis.toml", import.meta.url));

test("nothing is answered that is not described", async (context) => {
  const program = process.env.SCHEMATHESIS;
  assert.ok(program, "SCHEMATHESIS names no program: use `make clients`");
  const gateway = await startGateway();
  const home = mkdtempSync(join(tmpdir(), "schemathesis-"));
  context.after(async () => {
    rmSync(home, { recursive: true });
    await gateway.stop();
  });
  // Something to find, so that lists are not empty.
  const { body } = await gateway.call("POST", "/connections", { name: "c", source: { name: "s" }, destination: { name: "d", type: "MOCK_API" } });
  for (const n of [1, 2, 3]) await send(body.source.url, { n });

  const args = ["--config-file", CONFIG, "run", `${gateway.api}/openapi`, "--header", `Authorization: Bearer ${KEY}`];
  const child = spawn(program, args, { cwd: home, env: { PATH: process.env.PATH, HOME: home, NO_COLOR: "1" }, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (text) => (said += text));
  const [code] = await once(child, "close");
  assert.equal(code, 0, said);
  context.diagnostic(said.trim().split("\n").slice(-12).join("\n"));
  assert.equal((await gateway.call("GET", "/-/readyz")).status, 200);
});
