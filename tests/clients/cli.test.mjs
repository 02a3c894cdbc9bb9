// hookdeck-cli 2.6.0, which speaks 2026-09-01: its own static binary, told by `hookgate cli-config` where we are. Every
// subcommand of the resources we have is run; the last test counts them against the CLI's own help.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { KEY, hookgate, send, startDestination, startGateway, until } from "./harness.mjs";

const ARCHITECTURES = { x64: "linux-amd64", arm64: "linux-arm64" };
const CLI = fileURLToPath(import.meta.resolve("hookdeck-cli/package.json")).replace(/package\.json$/, `binaries/${ARCHITECTURES[process.arch]}/hookdeck`);
/** What the CLI would fetch from its vendor before it creates a source; a fresh cache keeps it at home. */
const SOURCE_TYPES = { WEBHOOK: { name: "WEBHOOK", auth_scheme: "", required_fields: null }, HTTP: { name: "HTTP", auth_scheme: "", required_fields: null } };

let gateway, destination, home, config;
const ran = new Set();

before(async () => {
  assert.ok(existsSync(CLI), `${CLI} is missing: this test runs on Linux, x64 or arm64`);
  gateway = await startGateway();
  destination = await startDestination();
  home = mkdtempSync(join(tmpdir(), "hookdeck-cli-"));
  writeFileSync(join(home, "hookdeck_source_types_2026-09-01.json"), JSON.stringify(SOURCE_TYPES));
  config = join(home, "hookdeck.toml");
  const made = hookgate(["cli-config", "--output", config], gateway.env);
  assert.equal(made.status, 0, made.stderr);
});

after(async () => {
  await gateway?.stop();
  await destination?.stop();
  if (home) rmSync(home, { recursive: true });
});

/** Runs the CLI and answers its exit code and what it said. */
async function run(args, { file = config, key } = {}) {
  const words = args.filter((word) => !word.startsWith("-"));
  for (let length = 1; length <= 3; length += 1) ran.add(words.slice(0, length).join(" "));
  const env = { HOME: home, TMPDIR: home, HOOKDECK_CONFIG_FILE: file, NO_COLOR: "1", ...(key && { HOOKDECK_API_KEY: key }) };
  const child = spawn(CLI, args, { env, cwd: home, stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (text) => (out += text));
  child.stderr.on("data", (text) => (err += text));
  const [code] = await once(child, "close");
  return { code, out, err };
}

/** Runs a command that must succeed. */
async function ok(...args) {
  const { code, out, err } = await run(args);
  assert.equal(code, 0, `hookdeck ${args.join(" ")}\n${out}${err}`);
  return out;
}

/** Runs a command of `gateway` that must succeed, and answers the JSON it prints. */
async function json(...args) {
  const out = await ok("gateway", ...args, "--output", "json");
  try {
    return JSON.parse(out);
  } catch {
    assert.fail(`hookdeck gateway ${args.join(" ")} printed no JSON: ${out}`);
  }
}

/** Runs a command of `gateway` that must fail, with what it then says. */
async function fails(says, ...args) {
  const { code, out, err } = await run(["gateway", ...args]);
  assert.notEqual(code, 0, `hookdeck gateway ${args.join(" ")}\n${out}`);
  assert.match(out + err, says);
}

const models = (answer) => (Array.isArray(answer) ? answer : answer.models);
const ids = (answer) => models(answer).map(({ id }) => id);

test("the configuration file is the owner's alone and says where we are", () => {
  assert.equal(statSync(config).mode & 0o777, 0o600);
  const text = readFileSync(config, "utf8");
  for (const part of [`api_base = "${gateway.api}"`, `api_key = "${KEY}"`, 'project_id = "tm_']) assert.ok(text.includes(part), text);
  const again = hookgate(["cli-config", "--output", config], gateway.env);
  assert.equal(again.status, 2);
  assert.match(again.stderr, /there already/);
  const keyless = hookgate(["cli-config"], { ...gateway.env, HOOKGATE_API_KEY: undefined });
  assert.equal(keyless.status, 2);
  assert.match(keyless.stderr, /--api-key/);
});

test("it knows who it is, and which project", async () => {
  const who = await ok("whoami");
  assert.match(who, /hookgate/i);
  const { body: projects } = await gateway.call("GET", "/2026-09-01/projects");
  assert.match(await ok("project", "list"), /hookgate/);
  const listed = JSON.parse(await ok("project", "list", "--output", "json"));
  assert.deepEqual(listed.map(({ id }) => id), projects.map(({ id }) => id));

  const fresh = join(home, "ci.toml");
  writeFileSync(fresh, readFileSync(config, "utf8").split("[default]")[0]);
  const ci = await run(["ci", "--api-key", KEY, "--name", "a-run"], { file: fresh });
  assert.equal(ci.code, 0, ci.out + ci.err);
  assert.match(readFileSync(fresh, "utf8"), new RegExp(projects[0].id));
  const list = await run(["gateway", "source", "list"], { file: fresh });
  assert.equal(list.code, 0, list.out + list.err);
  const wrong = await run(["ci", "--api-key", "hk_nobody_0123456789"], { file: join(home, "none.toml") });
  assert.notEqual(wrong.code, 0);

  const used = join(home, "use.toml");
  copyFileSync(config, used);
  const [, organization, project] = /^\[(.+)\] (.+)$/.exec(projects[0].name) ?? [];
  const use = await run(["project", "use", organization, project], { file: used });
  assert.equal(use.code, 0, use.out + use.err);
});

test("sources", async () => {
  const made = await json("source", "create", "--name", "shop", "--type", "WEBHOOK", "--description", "orders", "--allowed-http-methods", "POST,PUT");
  assert.match(made.id, /^src_/);
  assert.deepEqual([made.name, made.description, made.config.allowed_http_methods], ["shop", "orders", ["POST", "PUT"]]);
  assert.deepEqual(ids(await json("source", "list", "--name", "shop")), [made.id]);
  assert.match(await ok("gateway", "source", "count"), /\d+/);
  assert.equal((await json("source", "get", made.id)).url, made.url);
  assert.equal((await json("source", "get", "shop")).id, made.id);
  assert.equal((await json("source", "get", "shop", "--include-auth")).id, made.id);
  assert.equal((await json("source", "update", made.id, "--description", "changed")).description, "changed");
  const upserted = await json("source", "upsert", "shop", "--type", "WEBHOOK", "--custom-response-content-type", "text", "--custom-response-body", "thanks");
  assert.deepEqual([upserted.id, upserted.config.custom_response], [made.id, { content_type: "text", body: "thanks" }]);
  assert.equal((await send(made.url, {})).text, "thanks");
  await ok("gateway", "source", "disable", made.id);
  assert.equal((await send(made.url, {})).status, 403);
  assert.deepEqual(ids(await json("source", "list", "--name", "shop")), []);
  assert.deepEqual(ids(await json("source", "list", "--name", "shop", "--disabled")), [made.id]);
  await ok("gateway", "source", "enable", made.id);
  assert.equal((await send(made.url, {})).status, 200);
  await ok("gateway", "source", "delete", made.id, "--force");
  await fails(/not found|deleted|410|404/i, "source", "get", made.id);
  await fails(/name/, "source", "create", "--name", "no spaces", "--type", "WEBHOOK");
});

test("destinations", async () => {
  const made = await json("destination", "create", "--name", "api", "--type", "HTTP", "--url", `${destination.url}/api`, "--auth-method", "bearer", "--bearer-token", "sesame");
  assert.match(made.id, /^des_/);
  assert.deepEqual([made.type, made.config.url, made.config.auth_type], ["HTTP", `${destination.url}/api`, "BEARER_TOKEN"]);
  assert.deepEqual(ids(await json("destination", "list", "--name", "api")), [made.id]);
  assert.match(await ok("gateway", "destination", "count"), /\d+/);
  assert.equal((await json("destination", "get", "api")).id, made.id);
  assert.deepEqual((await json("destination", "get", made.id, "--include-auth")).config.auth, { token: "sesame" });
  const updated = await json("destination", "update", made.id, "--description", "changed");
  assert.deepEqual([updated.description, updated.config.url], ["changed", `${destination.url}/api`]);
  const upserted = await json("destination", "upsert", "api", "--type", "HTTP", "--url", `${destination.url}/api2`, "--http-method", "PUT");
  assert.deepEqual([upserted.id, upserted.config.url, upserted.config.http_method], [made.id, `${destination.url}/api2`, "PUT"]);
  await ok("gateway", "destination", "disable", made.id);
  await ok("gateway", "destination", "enable", made.id);
  const cli = await json("destination", "create", "--name", "terminal", "--type", "CLI", "--cli-path", "/hooks");
  assert.equal(cli.config.path, "/hooks");
  await fails(/rate_limit|delivery_policy/, "destination", "create", "--name", "slow", "--type", "HTTP", "--url", destination.url, "--rate-limit", "5", "--rate-limit-period", "second");
  await ok("gateway", "destination", "delete", made.id, "--force");
  await fails(/not found|deleted|410|404/i, "destination", "get", made.id);
});

/** A connection to a path of its own. */
function connect(name) {
  return json("connection", "create", "--name", name, "--source-name", `${name}-in`, "--source-type", "WEBHOOK", "--destination-name", `${name}-out`, "--destination-type", "HTTP", "--destination-url", `${destination.url}/${name}`);
}

test("connections", async () => {
  const made = await json(
    ...["connection", "create", "--name", "orders", "--source-name", "orders-in", "--source-type", "WEBHOOK"],
    ...["--destination-name", "orders-out", "--destination-type", "HTTP", "--destination-url", `${destination.url}/orders`],
    ...["--rule-retry-strategy", "linear", "--rule-retry-count", "2", "--rule-retry-interval", "1000"],
  );
  assert.match(made.id, /^web_/);
  assert.deepEqual(made.rules, [{ type: "retry", strategy: "linear", interval: 1000, count: 2 }]);
  assert.deepEqual(ids(await json("connection", "list", "--name", "orders")), [made.id]);
  assert.deepEqual(ids(await json("connection", "list", "--source-id", made.source.id)), [made.id]);
  assert.equal((await json("connection", "get", made.id)).id, made.id);
  assert.equal((await json("connection", "get", "orders")).full_name, "orders-in -> orders");
  const renamed = await json("connection", "update", made.id, "--description", "changed", "--rules", '[{"type":"retry","strategy":"exponential","count":1}]');
  assert.deepEqual([renamed.description, renamed.rules], ["changed", [{ type: "retry", strategy: "exponential", count: 1 }]]);
  const same = await json("connection", "upsert", "orders", "--description", "again");
  assert.deepEqual([same.id, same.description, same.rules.length], [made.id, "again", 1]);
  assert.match(await ok("gateway", "connection", "upsert", "orders", "--description", "never", "--dry-run"), /dry|would|no changes|update/i);
  assert.equal((await json("connection", "get", "orders")).description, "again");

  await ok("gateway", "connection", "pause", "orders");
  await send(made.source.url, { held: true });
  const held = await until("it is held", async () => models(await json("event", "list", "--connection-id", made.id, "--status", "HOLD"))[0]);
  assert.equal(destination.to("/orders").length, 0);
  await ok("gateway", "connection", "unpause", made.id);
  await destination.received("/orders", 1);
  assert.equal((await json("event", "get", held.id)).webhook_id, made.id);
  await ok("gateway", "connection", "disable", made.id);
  assert.deepEqual(ids(await json("connection", "list", "--name", "orders")), []);
  await ok("gateway", "connection", "enable", made.id);
  // The same commands stand at the root as well.
  assert.match(await ok("connection", "list"), /orders/);
  await fails(/delay/, "connection", "update", made.id, "--rules", '[{"type":"delay","delay":1000}]');
  await ok("gateway", "connection", "delete", made.id, "--force");
  await fails(/not found|deleted|410|404/i, "connection", "get", made.id);
});

test("events and attempts", async () => {
  const connection = await connect("events");
  destination.answers.set("/events/a", 500);
  await send(`${connection.source.url}/a?q=1`, { n: 1 }, { headers: { "x-kind": "first" } });
  await send(`${connection.source.url}/b?q=2`, { n: 2 });
  const event = await until("one has failed", async () => models(await json("event", "list", "--connection-id", connection.id, "--status", "FAILED"))[0]);
  await until("one is delivered", async () => models(await json("event", "list", "--connection-id", connection.id, "--status", "SUCCESSFUL"))[0]);
  const find = async (...filter) => ids(await json("event", "list", "--connection-id", connection.id, ...filter));
  assert.equal((await find()).length, 2);
  for (const filter of [
    ["--response-status", "500"],
    ["--body", '{"n":1}'],
    ["--headers", '{"x-kind":"first"}'],
    ["--parsed-query", '{"q":"1"}'],
    ["--path", "/a"],
    ["--id", event.id],
    ["--dir", "asc", "--limit", "1"],
    ["--created-after", "2020-01-01T00:00:00Z", "--status", "FAILED"],
  ]) assert.deepEqual(await find(...filter), [event.id], filter.join(" "));
  assert.deepEqual(await find("--created-before", "2020-01-01T00:00:00Z"), []);
  assert.deepEqual(await find("--attempts", "7"), []);
  assert.deepEqual(await find("--error-code", "TIMEOUT"), []);

  assert.equal((await json("event", "get", event.id)).data.path, "/a");
  assert.equal(JSON.parse(await ok("gateway", "event", "raw-body", event.id)).body, '{"n":1}');
  destination.answers.delete("/events/a");
  await ok("gateway", "event", "retry", event.id);
  await until("the retry is accepted", async () => (await json("event", "get", event.id)).status === "SUCCESSFUL");
  const attempts = models(await json("attempt", "list", "--event-id", event.id, "--dir", "asc"));
  assert.deepEqual(attempts.map(({ trigger, response_status }) => [trigger, response_status]), [["INITIAL", 500], ["MANUAL", 200]]);
  assert.equal((await json("attempt", "get", attempts[0].id)).response_status, 500);

  await ok("gateway", "connection", "pause", connection.id);
  for (const verb of ["cancel", "mute"]) {
    await send(connection.source.url, { verb });
    const held = await until("it is held", async () => models(await json("event", "list", "--connection-id", connection.id, "--status", "HOLD"))[0]);
    await ok("gateway", "event", verb, held.id);
    assert.equal((await json("event", "get", held.id)).status, "CANCELLED");
  }
});

test("requests", async () => {
  const connection = await connect("requests");
  await ok("gateway", "connection", "disable", connection.id);
  await send(`${connection.source.url}/r`, { n: 1 });
  await ok("gateway", "connection", "enable", connection.id);
  const [request] = models(await json("request", "list", "--source-id", connection.source.id));
  assert.equal(request.ignored_count, 1);
  for (const filter of [["--status", "accepted"], ["--body", '{"n":1}'], ["--path", "/r"], ["--id", request.id], ["--verified", "false"]]) {
    assert.deepEqual(ids(await json("request", "list", "--source-id", connection.source.id, ...filter)), [request.id], filter.join(" "));
  }
  assert.equal((await json("request", "get", request.id)).data.path, "/r");
  assert.equal(JSON.parse(await ok("gateway", "request", "raw-body", request.id)).body, '{"n":1}');
  assert.equal(models(await json("request", "ignored-events", request.id)).length, 1);
  await ok("gateway", "request", "retry", request.id, "--connection-ids", connection.id);
  await destination.received("/requests/r", 1);
  assert.equal(models(await json("request", "events", request.id)).length, 1);
  await fails(/./, "request", "retry", request.id);
});

test("what is not built says so", async () => {
  await fails(/not available yet/, "issue", "list");
  await fails(/not available yet/, "transformation", "list");
  await fails(/not available yet/, "metrics", "events", "--start", "2026-01-01T00:00:00Z", "--end", "2026-01-02T00:00:00Z", "--measures", "count");
});

test("every subcommand was run", async () => {
  const commands = ["ci", "whoami", "project list", "project use"];
  for (const group of ["connection", "source", "destination", "event", "request", "attempt"]) {
    const { out } = await run(["gateway", group, "--help"]);
    const [, listed] = /Available Commands:\n((?: {2}\S.*\n)+)/.exec(out);
    for (const line of listed.trim().split("\n")) commands.push(`gateway ${group} ${line.trim().split(/\s+/)[0]}`);
  }
  assert.ok(commands.length > 40, `${commands.length}`);
  assert.deepEqual(commands.filter((command) => !ran.has(command)), []);
});
