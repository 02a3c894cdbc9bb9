// Our own description, held against what the API answers: each answer fits its schema, and has no field that the schema
// does not name. Schemathesis tries the rest (schemathesis.test.mjs).

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { send, startDestination, startGateway, until } from "./harness.mjs";

let gateway, destination, document;
/** An id of each kind, by the first segment of the paths that take it. */
const known = {};
const answered = new Set();

before(async () => {
  gateway = await startGateway();
  destination = await startDestination();
  document = (await gateway.call("GET", "/openapi")).body;
});

after(async () => {
  await gateway?.stop();
  await destination?.stop();
});

/** Makes a call of the description and holds its answer against it; answers the body. */
async function checked(method, template, { id, query = "", body } = {}) {
  const operation = document.paths[template]?.[method.toLowerCase()];
  assert.ok(operation, `${method} ${template} is not described`);
  const path = template.replace("{id}", encodeURIComponent(id));
  const answer = await gateway.call(method, path + query, body);
  const at = `${method} ${path}${query}`;
  const described = operation.responses[answer.status];
  assert.ok(described, `${at}: ${answer.status} is not described: ${JSON.stringify(answer.body)}`);
  const type = answer.headers.get("content-type").split(";")[0];
  assert.ok(described.content[type], `${at}: ${type} is not described`);
  const problems = [...misfits(described.content[type].schema, answer.body, "$")];
  assert.deepEqual(problems, [], `${at} answered ${JSON.stringify(answer.body)}`);
  assert.equal(answer.status, 200, `${at}: ${JSON.stringify(answer.body)}`);
  answered.add(`${method} ${template}`);
  return answer.body;
}

/** Where a value is not what a schema says. */
function* misfits(schema, value, at) {
  if (schema.$ref) {
    yield* misfits(document.components.schemas[schema.$ref.replace("#/components/schemas/", "")], value, at);
    return;
  }
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) {
    const tries = choices.map((choice) => [...misfits(choice, value, at)]);
    if (!tries.some((problems) => problems.length === 0)) yield* tries[0];
    return;
  }
  const types = schema.type === undefined ? null : [schema.type].flat();
  if (types && !types.some((type) => isA(type, value))) yield `${at} is ${JSON.stringify(value)}, not ${types}`;
  if (schema.enum && !schema.enum.includes(value)) yield `${at} is ${JSON.stringify(value)}, none of ${schema.enum}`;
  if (schema.minimum !== undefined && value < schema.minimum) yield `${at} is ${value}, less than ${schema.minimum}`;
  if (schema.format === "date-time" && typeof value === "string" && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z$/.test(value)) yield `${at} is ${value}, no moment`;
  if (Array.isArray(value) && schema.items) for (const [index, item] of value.entries()) yield* misfits(schema.items, item, `${at}[${index}]`);
  if (types?.includes("object") && isA("object", value)) {
    for (const name of schema.required ?? []) if (!(name in value)) yield `${at}.${name} is missing`;
    for (const [name, field] of Object.entries(value)) {
      const described = schema.properties?.[name] ?? schema.additionalProperties;
      if (described === undefined || described === false) yield `${at}.${name} is not described: ${JSON.stringify(field)}`;
      else yield* misfits(described, field, `${at}.${name}`);
    }
  }
}

function isA(type, value) {
  switch (type) {
    case "null": return value === null;
    case "array": return Array.isArray(value);
    case "object": return typeof value === "object" && value !== null && !Array.isArray(value);
    case "integer": return Number.isInteger(value);
    default: return typeof value === type;
  }
}

test("what is made is answered as it is described", async () => {
  const source = await checked("POST", "/sources", { body: { name: "shop", config: { custom_response: { content_type: "json", body: "{}" } } } });
  const target = await checked("POST", "/destinations", { body: { name: "api", config: { url: `${destination.url}/api` } } });
  await checked("POST", "/destinations", { body: { name: "another-mock", type: "MOCK_API" } });
  await checked("POST", "/destinations", { body: { name: "terminal", type: "CLI" } });
  const rules = [{ type: "retry", strategy: "linear", interval: 60_000, count: 1, response_status_codes: ["500-599"] }];
  const connection = await checked("POST", "/connections", { body: { name: "c", source_id: source.id, destination_id: target.id, rules } });
  Object.assign(known, { sources: source.id, destinations: target.id, connections: connection.id });

  await send(`${source.url}/fine?a=1&a=2&b=3`, { n: 1 });
  destination.answers.set("/api/bad", 500);
  await send(`${source.url}/bad`, { n: 2 });
  await send(source.url, {}, { method: "GET", headers: {} }).catch(() => fetch(source.url));
  const list = async (query) => (await checked("GET", "/events", { query })).models;
  const [event] = await until("one is delivered", async () => { const found = await list("?status=SUCCESSFUL"); return found.length === 1 && found; });
  await until("one has failed", async () => { const found = await list("?status=FAILED"); return found.length === 1 && found; });
  Object.assign(known, { events: event.id, requests: event.request_id });
  const [attempt] = (await checked("GET", "/attempts", { query: `?event_id=${event.id}` })).models;
  known.attempts = attempt.id;
  await checked("PUT", "/connections/{id}/pause", { id: connection.id });
  await send(source.url, { n: 3 });
  await checked("PUT", "/connections/{id}/unpause", { id: connection.id });
  await checked("POST", "/events/{id}/retry", { id: event.id });
  const bookmark = await checked("POST", "/bookmarks", { body: { label: "l", webhook_id: connection.id, event_data_id: event.event_data_id } });
  known.bookmarks = bookmark.id;
  await checked("POST", "/bookmarks/{id}/trigger", { id: bookmark.id });
  known.views = (await checked("POST", "/views", { body: { name: "mine", filter: { status: ["FAILED"] } } })).id;
  known.keys = (await checked("POST", "/keys", { body: { label: "reader", scope: "read" } })).id;
  for (const family of ["events/retry", "events/cancel", "requests/retry", "requests/replay", "ignored-events/retry"]) {
    const template = `/bulk/${family}`;
    const query = family.startsWith("events") ? { status: ["FAILED"] } : family === "ignored-events/retry" ? { cause: "DISABLED" } : { source_id: source.id };
    const { estimated_count: planned } = await checked("GET", `${template}/plan`, { query: `?${new URLSearchParams(Object.entries(query).map(([name, value]) => [`query[${name}]`, value]))}` });
    if (planned) known[`bulk/${family}`] = (await checked("POST", template, { body: { query } })).id;
  }
});

test("every path that only looks answers what it describes", async () => {
  for (const [template, operations] of Object.entries(document.paths)) {
    if (!operations.get?.responses[200] || template.endsWith("/live") || template.endsWith("/plan")) continue;
    const place = template.startsWith("/bulk") ? template.slice(1).replace(/\/\{id\}.*/, "") : template.split("/")[1];
    if (template.includes("{id}") && !known[place]) continue;
    const required = { "/cli-auth/poll": `?key=${gateway.env.HOOKGATE_API_KEY}`, "/attempts": `?event_id=${known.events}`, "/events/histogram": "?granularity=1h" };
    await checked("GET", template, { id: known[place], query: required[template] });
  }
  for (const place of ["sources", "destinations", "connections", "requests", "events", "attempts", "bookmarks", "views"]) {
    assert.ok(answered.has(`GET /${place}/{id}`), place);
  }
});

test("only what is described as open is answered without a key", async () => {
  for (const [template, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const isOpen = operation.security.some((requirement) => Object.keys(requirement).length === 0);
      const answer = await fetch(gateway.api + template.replaceAll(/\{\w+\}/g, "x_1"), { method: method.toUpperCase() });
      await answer.body?.cancel();
      assert.equal(answer.status === 401, !isOpen, `${method} ${template}: ${answer.status}`);
      if (!isOpen) assert.match(answer.headers.get("www-authenticate"), /^Bearer/);
    }
  }
});

test("live paths answer a stream", async () => {
  for (const template of ["/events/live", "/attempts/live"]) {
    assert.ok(document.paths[template]?.get.responses[200].content["text/event-stream"], template);
    const answer = await fetch(gateway.api + template, { headers: { authorization: `Bearer ${gateway.env.HOOKGATE_API_KEY}` } });
    assert.deepEqual([answer.status, answer.headers.get("content-type").split(";")[0]], [200, "text/event-stream"]);
    await answer.body.cancel();
  }
});

test("a browser gets a page that loads nothing", async () => {
  const { headers, body } = await gateway.call("GET", "/openapi", undefined, { accept: "text/html,*/*;q=0.8" });
  assert.match(headers.get("content-type"), /^text\/html/);
  assert.match(headers.get("content-security-policy"), /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'/);
  assert.doesNotMatch(body, /\b(?:src|srcset)=|https?:\/\/|@import|url\(/);
  for (const template of Object.keys(document.paths)) assert.ok(body.includes(`<code>${template.replace("{other_id}", "{id}")}</code>`), template);
});
