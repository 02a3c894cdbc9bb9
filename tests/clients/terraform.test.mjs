// The Terraform provider's sixteen calls, which speak 2025-07-01, in the order in which it makes them: create, read,
// read-modify-write, delete. The provider itself needs Go to build, so its calls are made here one by one.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { send, startDestination, startGateway } from "./harness.mjs";

let gateway, destination;
const made = new Set();

before(async () => {
  gateway = await startGateway();
  destination = await startDestination();
});

after(async () => {
  await gateway?.stop();
  await destination?.stop();
});

/** A call of the provider: success is anything up to 299, and what a plan needs must be there as strings. */
async function call(method, path, body, status = 200) {
  made.add(`${method} ${path.replace(/\?.*/, "").replace(/\/(src|des|web|trs)_[^/]*/, "/{id}")}`);
  const answer = await gateway.call(method, `/2025-07-01${path}`, body);
  assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

function planned(resource, ...more) {
  for (const name of ["id", "team_id", "name", "created_at", "updated_at", ...more]) {
    assert.equal(typeof resource[name], "string", `${name} of ${JSON.stringify(resource)}`);
  }
  return resource;
}

test("a source: created, read with its credentials, changed, deleted", async () => {
  const given = { name: "shop", type: "WEBHOOK", description: "orders", config: { allowed_http_methods: ["POST"] } };
  const source = planned(await call("POST", "/sources", given), "type", "url");
  const read = planned(await call("GET", `/sources/${source.id}?include=config.auth`), "type", "url");
  assert.deepEqual(read, source);
  assert.deepEqual(read.config.allowed_http_methods, ["POST"]);
  const changed = await call("PUT", `/sources/${source.id}`, { ...given, description: "changed" });
  assert.deepEqual([changed.id, changed.description, changed.url], [source.id, "changed", source.url]);

  // `source_auth` reads, puts its part in, and writes everything back; without credentials that is what its deletion does.
  const { type, config } = await call("GET", `/sources/${source.id}?include=config.auth`);
  const kept = await call("PUT", `/sources/${source.id}`, { type, config: { ...config, auth: null, auth_type: null } });
  assert.deepEqual(kept.config, config);
  // Verification is not built: it is refused by name, and nothing changes.
  const auth = { auth_type: "HMAC", auth: { algorithm: "sha256", encoding: "hex", header_key: "x-sig", webhook_secret_key: "s" } };
  const refused = await call("PUT", `/sources/${source.id}`, { type, config: { ...config, ...auth } }, 422);
  assert.match(refused.message, /config\.auth/);
  assert.deepEqual((await call("GET", `/sources/${source.id}?include=config.auth`)).config, config);
  assert.deepEqual(await call("DELETE", `/sources/${source.id}`), { id: source.id });
  await call("GET", `/sources/${source.id}`, undefined, 410);
});

test("a destination: created, read with its credentials, changed, deleted", async () => {
  const config = { url: `${destination.url}/api`, auth_type: "API_KEY", auth: { key: "x-key", api_key: "sesame", to: "header" } };
  const made = planned(await call("POST", "/destinations", { name: "api", type: "HTTP", config }), "type");
  assert.deepEqual(made.config.auth, {});
  const read = await call("GET", `/destinations/${made.id}?include=config.auth`);
  assert.deepEqual(read.config.auth, config.auth);
  const changed = await call("PUT", `/destinations/${made.id}`, { name: "api", type: "HTTP", config: { ...read.config, http_method: "PUT" } });
  assert.deepEqual([changed.config.http_method, changed.config.url], ["PUT", config.url]);
  assert.deepEqual((await call("GET", `/destinations/${made.id}?include=config.auth`)).config.auth, config.auth);
  assert.deepEqual(await call("DELETE", `/destinations/${made.id}`), { id: made.id });
  await call("GET", `/destinations/${made.id}`, undefined, 410);
});

test("a connection: rules come back in the order given, without a key that was not", async () => {
  const source = await call("POST", "/sources", { name: "in", type: "WEBHOOK" });
  const target = await call("POST", "/destinations", { name: "out", type: "HTTP", config: { url: `${destination.url}/out` } });
  const rules = [{ type: "retry", strategy: "linear", response_status_codes: ["500-599", "!501", "404"] }];
  const made = planned(await call("POST", "/connections", { name: "c", source_id: source.id, destination_id: target.id, rules }));
  assert.deepEqual(made.rules, rules);
  assert.deepEqual([made.source.id, made.destination.id], [source.id, target.id]);
  assert.deepEqual((await call("GET", `/connections/${made.id}`)).rules, rules);
  const next = [{ type: "retry", strategy: "exponential", interval: 500, count: 3 }];
  const changed = await call("PUT", `/connections/${made.id}`, { name: "c2", description: "d", rules: next });
  assert.deepEqual([changed.name, changed.description, changed.rules], ["c2", "d", next]);
  assert.deepEqual((await call("PUT", `/connections/${made.id}`, { name: "c2" })).rules, next, "absent rules stay");
  assert.deepEqual((await call("PUT", `/connections/${made.id}`, { rules: [] })).rules, []);
  // Rules that are not built are refused by place and name, and nothing changes.
  for (const rule of [{ type: "delay", delay: 1 }, { type: "filter", body: {} }, { type: "transform", transformation_id: "trs_1" }, { type: "deduplicate", window: 1000 }]) {
    const refused = await call("PUT", `/connections/${made.id}`, { name: "c3", rules: [...next, rule] }, 422);
    assert.match(refused.message, /rules\[1\]/);
  }
  assert.equal((await call("GET", `/connections/${made.id}`)).name, "c2");
  await send(source.url, { n: 1 });
  await destination.received("/out", 1);
  assert.deepEqual(await call("DELETE", `/connections/${made.id}`), { id: made.id });
  await call("GET", `/connections/${made.id}`, undefined, 410);
});

test("transformations say that they are not built", async () => {
  for (const [method, path, body] of [
    ["POST", "/transformations", { name: "t", code: "x" }],
    ["GET", "/transformations/trs_1"],
    ["PUT", "/transformations/trs_1", { code: "y" }],
    ["DELETE", "/transformations/trs_1"],
  ]) assert.match((await call(method, path, body, 501)).message, /not available yet/);
});

test("these were the sixteen", () => {
  const resources = ["sources", "destinations", "connections", "transformations"];
  const calls = resources.flatMap((name) => [`POST /${name}`, `GET /${name}/{id}`, `PUT /${name}/{id}`, `DELETE /${name}/{id}`]);
  assert.deepEqual(calls.filter((call) => !made.has(call)), []);
  assert.equal(calls.length, 16);
});
