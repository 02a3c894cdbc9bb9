// What every client needs: a gateway on an empty directory, a destination that counts, and patience for facts.
// The binary is HOOKGATE_BINARY; `make clients` sets it to the release build.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** Milliseconds after which a fact that did not come will not come. */
const PATIENCE_MS = 20_000;
/** Milliseconds between two looks. */
const PAUSE_MS = 20;

export const KEY = "hk_clients_0123456789abcdefghijklmn";

function binary() {
  const path = process.env.HOOKGATE_BINARY;
  assert.ok(path, "HOOKGATE_BINARY names no binary: use `make clients`");
  return resolve(path);
}

/** Runs another command of the binary. */
export function hookgate(args, env = {}) {
  return spawnSync(binary(), args, { env, encoding: "utf8" });
}

/** Waits until `look` answers something that is not false, and answers that. */
export async function until(what, look) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    assert.ok(Date.now() < deadline, `${what}: not within ${PATIENCE_MS} ms`);
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
}

async function freePort() {
  const socket = createSocket().listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

/** A gateway on a new directory; `stop` ends it and removes the directory. */
export async function startGateway(settings = {}) {
  const data = mkdtempSync(join(tmpdir(), "hookgate-clients-"));
  const [ingress, api] = [await freePort(), await freePort()].map((port) => `127.0.0.1:${port}`);
  const env = {
    HOOKGATE__DATA__DIR: data,
    HOOKGATE__INGRESS__LISTEN: ingress,
    HOOKGATE__API__LISTEN: api,
    HOOKGATE__DELIVERY__HEADER_PREFIX: "x-hookdeck-",
    HOOKGATE_API_KEY: KEY,
    ...settings,
  };
  const child = spawn(binary(), ["serve"], { env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (text) => (said += text));
  const base = `http://${api}`;
  const ready = async () => {
    assert.equal(child.exitCode, null, `the gateway ended: ${said}`);
    const answer = await fetch(`${base}/-/readyz`).catch(() => null);
    return answer?.status === 200;
  };
  await until("the gateway is ready", ready);
  return {
    api: base,
    ingress: `http://${ingress}`,
    data,
    env,
    said: () => said,
    call: (method, path, body, headers) => call(base, method, path, body, headers),
    async stop() {
      child.kill("SIGTERM");
      const [code] = child.exitCode === null ? await once(child, "exit") : [child.exitCode];
      rmSync(data, { recursive: true });
      assert.equal(code, 0, `the gateway did not end well: ${said}`);
    },
  };
}

/** One call of the API: status, headers and what was answered. */
export async function call(base, method, path, body, headers = {}) {
  const init = { method, headers: { authorization: `Bearer ${KEY}`, ...headers } };
  if (body !== undefined) {
    init.headers["content-type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(base + path, init);
  const text = await answer.text();
  const isJson = answer.headers.get("content-type")?.startsWith("application/json");
  return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text };
}

/** A server that counts what is delivered, by path. `answers` gives a path another status than 200. */
export async function startDestination() {
  const deliveries = [];
  const answers = new Map();
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const { pathname } = new URL(request.url, "http://destination");
    deliveries.push({ path: pathname, method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(parts).toString() });
    response.writeHead(answers.get(pathname) ?? 200, { "content-type": "application/json" });
    response.end('{"seen":true}');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const to = (path) => deliveries.filter((delivery) => delivery.path === path);
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    answers,
    to,
    /** Waits until exactly so many came to a path; more is a failure at once. */
    async received(path, count) {
      await until(`${count} deliveries to ${path}`, () => to(path).length >= count);
      assert.equal(to(path).length, count, `deliveries to ${path}`);
      return to(path);
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Sends a webhook to a source's URL and answers what the sender sees. */
export async function send(url, body, { method = "POST", headers = {} } = {}) {
  const answer = await fetch(url, { method, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, contentType: answer.headers.get("content-type"), text };
}
