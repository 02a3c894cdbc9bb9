// @hookdeck/sdk 0.4.0, which speaks 2024-03-01: each of its methods is called; the last test counts them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import sdkModule from "@hookdeck/sdk";
import webhooks from "@hookdeck/sdk/webhooks/helpers.js";
import { KEY, send, startDestination, startGateway, until } from "./harness.mjs";

const { HookdeckClient, HookdeckError } = sdkModule;
let gateway, destination, sdk;
const called = new Set();

before(async () => {
  gateway = await startGateway();
  destination = await startDestination();
  sdk = counted(new HookdeckClient({ token: KEY, environment: `${gateway.api}/2024-03-01` }));
});

after(async () => {
  await gateway?.stop();
  await destination?.stop();
});

/** The resources of a client, each of whose methods notes that it was called. */
function counted(client) {
  const resource = (name) =>
    new Proxy(client[name], {
      get(target, method) {
        if (typeof target[method] !== "function") return target[method];
        return (...args) => {
          called.add(`${name}.${method}`);
          return target[method](...args);
        };
      },
    });
  return Object.fromEntries(resources().map((name) => [name, resource(name)]));
}

function resources() {
  const properties = Object.entries(Object.getOwnPropertyDescriptors(HookdeckClient.prototype));
  return properties.filter(([, property]) => property.get).map(([name]) => name);
}

/** Asserts that a call is refused with this status, and that the SDK shows the error's shape. */
async function refused(status, promise, says) {
  const error = await promise.then(
    () => assert.fail(`not refused with ${status}`),
    (error) => error,
  );
  assert.ok(error instanceof HookdeckError, `${error}`);
  assert.equal(error.statusCode, status, error.message);
  assert.equal(error.body.status, status);
  assert.equal(error.body.handled, true);
  assert.match(error.body.message, says ?? /./);
}

const ONCE = { maxRetries: 0 };

test("sources are made, found, changed, switched and deleted", async () => {
  const made = await sdk.source.create({
    name: "shop",
    description: "orders",
    allowedHttpMethods: ["POST", "PUT"],
    customResponse: { contentType: "json", body: '{"taken":true}' },
  });
  assert.match(made.id, /^src_/);
  assert.equal(made.name, "shop");
  assert.equal(made.description, "orders");
  assert.deepEqual(made.allowedHttpMethods, ["POST", "PUT"]);
  assert.deepEqual({ ...made.customResponse }, { contentType: "json", body: '{"taken":true}' });
  assert.ok(made.url.startsWith(`${gateway.ingress}/e/`), made.url);
  assert.ok(made.createdAt instanceof Date && made.updatedAt instanceof Date);

  const answer = await send(made.url, { a: 1 });
  assert.deepEqual([answer.status, answer.text], [200, '{"taken":true}']);
  assert.match(answer.contentType, /^application\/json/);

  const { models, count, pagination } = await sdk.source.list({ name: "shop" });
  assert.deepEqual([models.map(({ id }) => id), count], [[made.id], 1]);
  assert.equal(pagination.limit, 100);
  assert.equal((await sdk.source.retrieve(made.id)).url, made.url);
  assert.equal((await sdk.source.update(made.id, { description: "changed" })).description, "changed");
  const upserted = await sdk.source.upsert({ name: "shop", allowedHttpMethods: ["POST"] });
  assert.deepEqual([upserted.id, upserted.url], [made.id, made.url]);
  assert.deepEqual(upserted.allowedHttpMethods, ["POST"]);

  assert.ok((await sdk.source.disable(made.id)).disabledAt instanceof Date);
  assert.equal((await send(made.url, {})).status, 403);
  assert.equal((await sdk.source.list({ name: "shop" })).count, 0);
  assert.equal((await sdk.source.list({ name: "shop", disabled: true })).count, 1);
  assert.equal((await sdk.source.enable(made.id)).disabledAt ?? null, null);
  assert.equal((await send(made.url, {})).status, 200);

  await refused(422, sdk.source.create({ name: "no spaces" }), /name/);
  await refused(422, sdk.source.create({ name: "shop" }), /name/);
  assert.equal((await sdk.source.delete(made.id)).id, made.id);
  await refused(410, sdk.source.retrieve(made.id), /deleted/);
  await refused(404, sdk.source.retrieve("src_nothing"));
});

test("destinations are made, found, changed, switched and deleted, and deliveries carry what they say", async () => {
  const made = await sdk.destination.create({
    name: "api",
    url: `${destination.url}/api`,
    httpMethod: "PUT",
    pathForwardingDisabled: true,
    authMethod: { type: "BEARER_TOKEN", config: { token: "sesame" } },
  });
  assert.match(made.id, /^des_/);
  assert.deepEqual([made.url, made.httpMethod, made.pathForwardingDisabled], [`${destination.url}/api`, "PUT", true]);
  assert.equal(made.authMethod.type, "BEARER_TOKEN");
  assert.equal(made.cliPath ?? null, null);

  assert.deepEqual((await sdk.destination.list({ name: "api" })).models.map(({ id }) => id), [made.id]);
  assert.equal((await sdk.destination.list({ url: `${destination.url}/api` })).count, 1);
  assert.equal((await sdk.destination.retrieve(made.id)).name, "api");
  assert.equal((await sdk.destination.update(made.id, { description: "changed" })).description, "changed");
  const upserted = await sdk.destination.upsert({ name: "api", url: `${destination.url}/api2`, httpMethod: "PUT", pathForwardingDisabled: true, authMethod: { type: "BEARER_TOKEN", config: { token: "sesame" } } });
  assert.deepEqual([upserted.id, upserted.url], [made.id, `${destination.url}/api2`]);

  const connection = await sdk.connection.create({ name: "to-api", source: { name: "for-api" }, destinationId: made.id });
  await send(`${connection.source.url}/some/path`, { n: 1 });
  const [delivery] = await destination.received("/api2", 1);
  assert.deepEqual([delivery.method, delivery.url, delivery.headers.authorization], ["PUT", "/api2", "Bearer sesame"]);
  assert.equal(delivery.body, '{"n":1}');

  assert.ok((await sdk.destination.disable(made.id)).disabledAt instanceof Date);
  assert.equal((await sdk.destination.enable(made.id)).disabledAt ?? null, null);
  const cli = await sdk.destination.create({ name: "terminal", cliPath: "/hooks" });
  assert.equal(cli.cliPath, "/hooks");
  await refused(422, sdk.destination.create({ name: "broken", url: "nonsense" }), /url/);
  assert.equal((await sdk.destination.delete(made.id)).id, made.id);
  await refused(410, sdk.destination.retrieve(made.id));
});

test("connections are made, found, counted, changed, switched and deleted", async () => {
  const rules = [{ type: "retry", strategy: "linear", interval: 1000, count: 2 }];
  const made = await sdk.connection.create({
    name: "orders",
    source: { name: "orders-in" },
    destination: { name: "orders-out", url: `${destination.url}/orders` },
    rules,
  });
  assert.match(made.id, /^web_/);
  assert.equal(made.fullName, "orders-in -> orders");
  assert.deepEqual(made.rules.map((rule) => ({ ...rule })), rules);
  assert.equal(made.destination.url, `${destination.url}/orders`);

  assert.equal((await sdk.connection.list({ name: "orders" })).models[0].id, made.id);
  assert.equal((await sdk.connection.list({ sourceId: [made.source.id], destinationId: made.destination.id })).count, 1);
  assert.equal((await sdk.connection.list({ fullName: "orders-in" })).models[0].id, made.id);
  assert.equal((await sdk.connection.count({ sourceId: made.source.id })).count, 1);
  assert.equal((await sdk.connection.retrieve(made.id)).id, made.id);
  const same = await sdk.connection.upsert({ name: "orders" });
  assert.deepEqual([same.id, same.rules.length], [made.id, 1]);
  assert.equal((await sdk.connection.update(made.id, { description: "changed" })).description, "changed");

  assert.ok((await sdk.connection.pause(made.id)).pausedAt instanceof Date);
  await send(made.source.url, { held: true });
  const held = await until("the event is held", async () => (await sdk.event.list({ webhookId: made.id, status: "HOLD" })).models[0]);
  assert.equal(destination.to("/orders").length, 0);
  assert.equal((await sdk.connection.unpause(made.id)).pausedAt ?? null, null);
  await destination.received("/orders", 1);
  await until("it is delivered", async () => (await sdk.event.retrieve(held.id)).status === "SUCCESSFUL");
  const { models } = await sdk.attempt.list({ eventId: held.id });
  assert.deepEqual(models.map(({ trigger }) => trigger), ["UNPAUSE"]);

  assert.ok((await sdk.connection.disable(made.id)).disabledAt instanceof Date);
  assert.equal((await sdk.connection.count({ sourceId: made.source.id })).count, 0);
  assert.equal((await sdk.connection.count({ sourceId: made.source.id, disabled: true })).count, 1);
  assert.equal((await sdk.connection.enable(made.id)).disabledAt ?? null, null);
  await refused(422, sdk.connection.create({ name: "half", source: { name: "x" } }), /destination/);
  await refused(422, sdk.connection.update(made.id, { rules: [{ type: "delay", delay: 1000 }] }), /rules\[0\]/);
  assert.equal((await sdk.connection.delete(made.id)).id, made.id);
  await refused(410, sdk.connection.retrieve(made.id));
});

/** A connection of its own, for events. */
async function connected(name, path = `/${name}`) {
  return sdk.connection.create({
    name,
    source: { name: `${name}-in` },
    destination: { name: `${name}-out`, url: `${destination.url}${path}`, pathForwardingDisabled: true },
  });
}

async function settled(connection, count) {
  return until(`${count} events of ${connection.name} are settled`, async () => {
    const { models } = await sdk.event.list({ webhookId: connection.id });
    const done = models.filter(({ status, nextAttemptAt }) => ["SUCCESSFUL", "FAILED", "CANCELLED"].includes(status) && !nextAttemptAt);
    return done.length === count && models.length === count && models;
  });
}

test("requests and events are listed with filters, page by page, and looked at one by one", async () => {
  const connection = await connected("listed");
  for (const n of [1, 2, 3]) await send(`${connection.source.url}/p${n}?q=${n}`, { n, kind: "order" }, { headers: { "x-kind": `k${n}` } });
  const events = await settled(connection, 3);
  await destination.received("/listed", 3);
  assert.equal(events[0].responseStatus, 200);
  assert.equal(events[0].attempts, 1);

  const find = async (filter) => (await sdk.event.list({ webhookId: connection.id, ...filter })).models.map(({ id }) => id);
  const [third, second, first] = events.map(({ id }) => id);
  assert.deepEqual(await find({ dir: "asc" }), [first, second, third]);
  assert.deepEqual(await find({ id: [first, second] }), [second, first]);
  assert.deepEqual(await find({ status: "FAILED" }), []);
  assert.deepEqual(await find({ responseStatus: 200, attempts: 1, destinationId: connection.destination.id, sourceId: [connection.source.id] }), [third, second, first]);
  assert.deepEqual(await find({ createdAt: events[1].createdAt, id: second }), [second]);
  assert.deepEqual(await find({ body: JSON.stringify({ n: 2 }) }), [second]);
  assert.deepEqual(await find({ headers: JSON.stringify({ "x-kind": "k3" }) }), [third]);
  assert.deepEqual(await find({ parsedQuery: JSON.stringify({ q: "1" }) }), [first]);
  assert.deepEqual(await find({ path: "/p2" }), [second]);
  assert.deepEqual(await find({ searchTerm: "order" }), [third, second, first]);
  assert.deepEqual(await find({ eventDataId: events[0].eventDataId }), [third]);

  const page = await sdk.event.list({ webhookId: connection.id, limit: 2 });
  assert.deepEqual(page.models.map(({ id }) => id), [third, second]);
  const next = await sdk.event.list({ webhookId: connection.id, limit: 2, next: page.pagination.next });
  assert.deepEqual(next.models.map(({ id }) => id), [first]);
  const back = await sdk.event.list({ webhookId: connection.id, limit: 2, prev: next.pagination.prev });
  assert.deepEqual(back.models.map(({ id }) => id), [third, second]);

  const event = await sdk.event.retrieve(second);
  assert.equal(event.data.path, "/p2");
  assert.deepEqual({ ...event.data.body }, { n: 2, kind: "order" });
  assert.equal((await sdk.event.list({ id: second, include: "data" })).models[0].data.path, "/p2");
  assert.equal((await sdk.event.retrieveBody(second)).body, '{"n":2,"kind":"order"}');

  const requests = await sdk.request.list({ sourceId: connection.source.id });
  assert.equal(requests.count, 3);
  assert.equal((await sdk.request.list({ sourceId: connection.source.id, status: "accepted" })).count, 3);
  assert.equal((await sdk.request.list({ sourceId: connection.source.id, body: JSON.stringify({ n: 1 }) })).count, 1);
  const request = await sdk.request.retrieve(event.requestId);
  assert.deepEqual([request.eventsCount, request.ignoredCount, request.data.path], [1, 0, "/p2"]);
  assert.equal((await sdk.request.retrieveBody(request.id)).body, '{"n":2,"kind":"order"}');
  assert.deepEqual((await sdk.request.listEvent(request.id)).models.map(({ id }) => id), [second]);
  assert.equal((await sdk.request.listIgnoredEvent(request.id)).count, 0);

  const { models: attempts } = await sdk.attempt.list({ eventId: second });
  assert.deepEqual(attempts.map(({ attemptNumber, status, responseStatus, trigger }) => [attemptNumber, status, responseStatus, trigger]), [[1, "SUCCESSFUL", 200, "INITIAL"]]);
  const attempt = await sdk.attempt.retrieve(attempts[0].id);
  assert.deepEqual([attempt.eventId, attempt.requestedUrl], [second, `${destination.url}/listed`]);
  await refused(404, sdk.event.retrieve("evt_nothing"));
});

test("an event is retried and muted", async () => {
  const connection = await connected("retried");
  destination.answers.set("/retried", 500);
  await send(connection.source.url, { n: 1 });
  const [failed] = await settled(connection, 1);
  assert.deepEqual([failed.status, failed.responseStatus], ["FAILED", 500]);

  destination.answers.delete("/retried");
  const retried = await sdk.event.retry(failed.id);
  assert.equal(retried.event.id, failed.id);
  await destination.received("/retried", 2);
  await until("the retry is accepted", async () => (await sdk.event.retrieve(failed.id)).status === "SUCCESSFUL");
  const { models } = await sdk.attempt.list({ eventId: failed.id, dir: "asc" });
  assert.deepEqual(models.map(({ trigger, status }) => [trigger, status]), [["INITIAL", "FAILED"], ["MANUAL", "SUCCESSFUL"]]);

  await sdk.connection.pause(connection.id);
  await send(connection.source.url, { n: 2 });
  const held = await until("it is held", async () => (await sdk.event.list({ webhookId: connection.id, status: "HOLD" })).models[0]);
  // This version has no word for it; the newest has.
  assert.equal((await sdk.event.mute(held.id)).status, "FAILED");
  assert.equal((await gateway.call("GET", `/events/${held.id}`)).body.status, "CANCELLED");
  assert.equal((await sdk.event.mute(held.id)).id, held.id, "once more is the same");
  await refused(422, sdk.event.mute(failed.id), /settled/);
  await sdk.connection.unpause(connection.id);
  await destination.received("/retried", 2);
});

test("a request that made no event is retried", async () => {
  const connection = await connected("ignored");
  await sdk.connection.disable(connection.id);
  await send(connection.source.url, { n: 1 });
  const [request] = (await sdk.request.list({ sourceId: connection.source.id })).models;
  const ignored = await sdk.request.listIgnoredEvent(request.id);
  assert.deepEqual(ignored.models.map(({ webhookId, cause }) => [webhookId, cause]), [[connection.id, "DISABLED"]]);
  await sdk.connection.enable(connection.id);
  const answer = await sdk.request.retry(request.id, { webhookIds: [connection.id] });
  assert.equal(answer.request.id, request.id);
  assert.deepEqual(answer.events.map(({ webhookId }) => webhookId), [connection.id]);
  await destination.received("/ignored", 1);
  await refused(400, sdk.request.retry(request.id, { webhookIds: [connection.id] }));
});

test("bookmarks keep a request and send it again", async () => {
  const connection = await connected("marked");
  await send(connection.source.url, { keep: "me" });
  const [event] = await settled(connection, 1);
  const made = await sdk.bookmark.create({ eventDataId: event.eventDataId, webhookId: connection.id, label: "a good one", name: "good" });
  assert.match(made.id, /^bmk_/);
  assert.deepEqual([made.label, made.webhookId], ["a good one", connection.id]);
  assert.deepEqual((await sdk.bookmark.list({ webhookId: connection.id })).models.map(({ id }) => id), [made.id]);
  assert.equal((await sdk.bookmark.list({ label: ["a good one"] })).count, 1);
  assert.equal((await sdk.bookmark.retrieve(made.id)).id, made.id);
  assert.equal((await sdk.bookmark.retrieveBody(made.id)).body, '{"keep":"me"}');
  assert.equal((await sdk.bookmark.update(made.id, { label: "better" })).label, "better");
  const sent = await sdk.bookmark.trigger(made.id);
  assert.deepEqual(sent.map(({ webhookId }) => webhookId), [connection.id]);
  const [, again] = await destination.received("/marked", 2);
  assert.equal(again.body, '{"keep":"me"}');
  assert.ok((await sdk.bookmark.retrieve(made.id)).lastUsedAt instanceof Date);
  assert.equal((await sdk.bookmark.delete(made.id)).id, made.id);
  await refused(404, sdk.bookmark.retrieve(made.id));
});

/** Waits for a bulk operation's end. */
async function finished(family, id) {
  return until("the operation ends", async () => {
    const operation = await sdk[family].retrieve(id);
    return !operation.inProgress && operation;
  });
}

test("events are retried in bulk", async () => {
  const connection = await connected("bulk");
  destination.answers.set("/bulk", 503);
  for (const n of [1, 2, 3]) await send(connection.source.url, { n });
  await settled(connection, 3);
  destination.answers.delete("/bulk");
  const plan = await sdk.eventBulkRetry.plan();
  assert.ok(plan.estimatedCount >= 3, JSON.stringify(plan));
  const made = await sdk.eventBulkRetry.create({ query: { status: "FAILED", webhookId: connection.id } });
  assert.match(made.id, /^bch_/);
  const operation = await finished("eventBulkRetry", made.id);
  assert.deepEqual([operation.completedCount, operation.failedCount], [3, 0]);
  assert.ok(operation.completedAt);
  await destination.received("/bulk", 6);
  const { models } = await sdk.event.list({ webhookId: connection.id, bulkRetryId: made.id });
  assert.equal(models.length, 3);
  assert.ok((await sdk.eventBulkRetry.list()).models.some(({ id }) => id === made.id));
  assert.equal((await sdk.eventBulkRetry.cancel(made.id)).cancelledAt ?? null, null, "what has ended stays as it is");
});

test("requests are retried in bulk, and ignored events", async () => {
  for (const [family, path, query] of [
    ["requestBulkRetry", "bulk-requests", (source) => ({ sourceId: source })],
    ["ignoredEventBulkRetry", "bulk-ignored", (_, connection) => ({ cause: "DISABLED", webhookId: connection })],
  ]) {
    const connection = await connected(path);
    await sdk.connection.disable(connection.id);
    for (const n of [1, 2]) await send(connection.source.url, { n });
    await sdk.connection.enable(connection.id);
    const plan = await sdk[family].plan();
    assert.ok(plan.estimatedCount >= 2, JSON.stringify(plan));
    const made = await sdk[family].create({ query: query(connection.source.id, connection.id) });
    assert.match(made.id, /^bch_/);
    const operation = await finished(family, made.id);
    assert.deepEqual([operation.completedCount, operation.failedCount], [2, 0], family);
    await destination.received(`/${path}`, 2);
    assert.ok((await sdk[family].list()).models.some(({ id }) => id === made.id));
    assert.ok((await sdk[family].cancel(made.id)).completedAt, family);
  }
});

test("a delivery's signature is what the SDK verifies", async () => {
  const connection = await connected("signed");
  await send(connection.source.url, { signed: true });
  const [delivery] = await destination.received("/signed", 1);
  const { body } = await gateway.call("GET", "/signing-secret");
  const verify = (signingSecret, rawBody) => webhooks.verifyWebhookSignature({ headers: delivery.headers, rawBody, signingSecret });
  assert.equal((await verify(body.signing_secret, delivery.body)).isValidSignature, true);
  assert.equal((await verify(body.signing_secret, `${delivery.body} `)).isValidSignature, false);
  assert.equal((await verify("another", delivery.body)).isValidSignature, false);
});

test("what is not built says so", async () => {
  const id = "x_1";
  const calls = [
    () => sdk.issue.list({}, ONCE),
    () => sdk.issue.count({}, ONCE),
    () => sdk.issue.retrieve(id, ONCE),
    () => sdk.issue.update(id, { status: "RESOLVED" }, ONCE),
    () => sdk.issue.dismiss(id, ONCE),
    () => sdk.issueTrigger.list({}, ONCE),
    () => sdk.issueTrigger.create({ type: "delivery", channels: {} }, ONCE),
    () => sdk.issueTrigger.upsert({ type: "delivery", channels: {}, name: "t" }, ONCE),
    () => sdk.issueTrigger.retrieve(id, ONCE),
    () => sdk.issueTrigger.update(id, {}, ONCE),
    () => sdk.issueTrigger.delete(id, ONCE),
    () => sdk.issueTrigger.disable(id, ONCE),
    () => sdk.issueTrigger.enable(id, ONCE),
    () => sdk.transformation.list({}, ONCE),
    () => sdk.transformation.create({ name: "t", code: "x" }, ONCE),
    () => sdk.transformation.upsert({ name: "t", code: "x" }, ONCE),
    () => sdk.transformation.retrieve(id, ONCE),
    () => sdk.transformation.update(id, {}, ONCE),
    () => sdk.transformation.run({ code: "x" }, ONCE),
    () => sdk.transformation.listExecution(id, {}, ONCE),
    () => sdk.transformation.retrieveExecution(id, "exe_1", ONCE),
    () => sdk.notification.update({ enabled: true, topics: [], sourceId: "src_1" }, ONCE),
    () => sdk.customDomain.list(ONCE),
    () => sdk.customDomain.create({ hostname: "example.com" }, ONCE),
    () => sdk.customDomain.delete(id, ONCE),
  ];
  for (const call of calls) await refused(501, call(), /not available yet/);
});

test("a wrong key is refused", async () => {
  const stranger = new HookdeckClient({ token: "hk_stranger_0123456789", environment: `${gateway.api}/2024-03-01` });
  await refused(401, stranger.source.list({}, ONCE));
});

test("every method of the SDK was called", () => {
  const client = new HookdeckClient({ token: KEY });
  const methods = (name) => Object.getOwnPropertyNames(Object.getPrototypeOf(client[name])).filter((method) => !method.startsWith("_") && method !== "constructor");
  const all = resources().flatMap((name) => methods(name).map((method) => `${name}.${method}`));
  assert.ok(all.length > 80, `${all.length}`);
  assert.deepEqual(all.filter((method) => !called.has(method)), []);
});
