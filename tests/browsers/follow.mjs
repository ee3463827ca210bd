// Two followers that are not ours, the EventSource of headless Chromium (with a ticket) and the npm package `eventsource` (with a
// key as a header), follow the feed while a writer writes and the server is stopped and killed. Each must have got the log: every
// position once, in order.
//
//   node follow.mjs PATH-OF-CLIENTELA [RESTARTS]
//
// Without Chromium (or $CHROMIUM) only the package is run, and the last line says so.
import { spawn, execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventSource } from "eventsource";

const [binary, restarts = "6"] = process.argv.slice(2);
if (!binary) throw new Error("usage: node follow.mjs PATH-OF-CLIENTELA [RESTARTS]");
const folder = mkdtempSync(join(tmpdir(), "clientela-browsers-"));
chmodSync(folder, 0o711); // the user that runs PostgreSQL walks through it
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const within = async (seconds, what, condition) => {
  const end = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(20);
  }
};

/** A port that is free now, and so most likely later. */
const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

// The page's own server: its origin is another one than the feed's.
const types = [];
const followers = new Map();
const follower = (name) => {
  const one = { seen: [], closed: false };
  followers.set(name, one);
  return one;
};
let where = "";
const pages = createServer((request, response) => {
  if (request.url === "/where") return response.end(JSON.stringify({ url: where, types }));
  if (request.url !== "/seen") return response.setHeader("content-type", "text/html").end(readFileSync(new URL("page.html", import.meta.url)));
  let body = "";
  request.on("data", (part) => (body += part)).on("end", () => {
    const { seen = [], closed = false } = JSON.parse(body);
    const page = followers.get("chromium");
    page.seen.push(...seen);
    page.closed ||= closed;
    response.end();
  });
});
await new Promise((resolve) => pages.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${pages.address().port}`;

const port = await freePort();
const base = `http://127.0.0.1:${port}`;
let server;
let browser;
// Whatever goes wrong, nothing is left running.
process.on("exit", () => [server, browser].forEach((one) => one?.kill("SIGKILL")));
const ready = async () => (await fetch(`${base}/health/ready`).catch(() => ({ ok: false }))).ok;
const start = async () => {
  const args = ["serve", "--port", String(port), "--data-dir", join(folder, "data"), "--cors-origin", origin];
  server = spawn(binary, args, { stdio: "ignore" });
  await within(60, "the server is ready", ready);
};
const end = async (signal) => {
  const ended = new Promise((resolve) => server.once("exit", resolve));
  server.kill(signal);
  await ended;
};

await start();
const key = readFileSync(join(folder, "data/admin.key"), "utf8").trim();
const call = async (method, path, body, idempotencyKey) => {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  if (idempotencyKey) headers["idempotency-key"] = idempotencyKey;
  const answer = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer;
};
const asyncapi = await (await fetch(`${base}/asyncapi.json`)).json();
types.push(...Object.keys(asyncapi.channels.feed.messages).filter((name) => !["caught-up", "checkpoint", "end"].includes(name)));

// A writer that writes on whatever happens to the server.
let isWriting = true;
let head = 0;
const registered = await call("POST", "/v1/customers", { name: "Eva Ruiz", emails: ["eva@example.com"], loyalty: { currency: "EUR" } });
const customer = (await registered.json()).customer_id;
const write = async () => {
  for (let n = 1; isWriting; n += 1) {
    const body = { order_id: `order-${n}`, total: "10.00", currency: "EUR" };
    for (let isDone = false; !isDone; ) {
      try {
        const answer = await call("POST", `/v1/customers/${customer}/purchases`, body, `key-${n}`);
        head = Math.max(head, Number(answer.headers.get("x-position")));
        isDone = true;
      } catch {
        await sleep(50);
      }
    }
    await sleep(5);
  }
};

const ticket = await (await call("POST", "/v1/feed/tickets", {})).json();
where = `${base}/v1/feed?ticket=${ticket.ticket}`;

const withHeader = follower("eventsource");
const source = new EventSource(`${base}/v1/feed`, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, authorization: `Bearer ${key}` } }),
});
for (const type of types) source.addEventListener(type, (event) => withHeader.seen.push([Number(event.lastEventId), event.type]));
source.onerror = () => (withHeader.closed ||= source.readyState === EventSource.CLOSED);

const named = [process.env.CHROMIUM, "chromium", "chromium-browser", "google-chrome"].filter(Boolean);
const chromium = named.find((name) => {
  try {
    return execFileSync(name, ["--version"], { stdio: ["ignore", "pipe", "ignore"] }).length > 0;
  } catch {
    return false;
  }
});
if (chromium) {
  follower("chromium");
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"];
  browser = spawn(chromium, [...flags, `--user-data-dir=${join(folder, "profile")}`, origin], { stdio: "ignore" });
}

let failed = false;
try {
  const writing = write();
  await within(60, "all followers have begun", () => [...followers.values()].every((one) => one.seen.length > 0));
  for (let n = 0; n < Number(restarts); n += 1) {
    await sleep(1_500);
    await end(n % 2 === 0 ? "SIGTERM" : "SIGKILL");
    await start();
  }
  await sleep(500);
  isWriting = false;
  await writing;
  for (const [name, { seen }] of followers) {
    await within(30, `${name} is at ${head}, not at ${seen.at(-1)}`, () => seen.at(-1)?.[0] >= head);
  }
  const expected = Array.from({ length: head }, (_, index) => index + 1).join();
  for (const [name, { seen, closed }] of followers) {
    const isWhole = seen.map(([position]) => position).join() === expected;
    console.log(`${name}: ${seen.length} events of ${head} over ${restarts} restarts: ${isWhole ? "no gap, no repeat" : "WRONG"}${closed ? ", gave up once" : ""}`);
    failed ||= !isWhole || closed;
  }
  if (!chromium) console.log("chromium: skipped, it is not installed");
} finally {
  isWriting = false;
  source.close();
  browser?.kill("SIGKILL");
  if (server.exitCode === null && server.signalCode === null) await end("SIGTERM");
  pages.close();
  pages.closeAllConnections();
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
}
process.exit(failed ? 1 : 0);
