import { text } from "node:stream/consumers";
import { once } from "node:events";
import { request } from "node:http";
import t from "tap";
import { inspected } from "../../../src/admin/inspected.ts";
import { createInspector, type InspectedEvent, type Inspector } from "../../../src/admin/inspector.ts";
import type { HttpEvent } from "../../../src/observe/redact.ts";
import type { Exchange } from "../../../src/serve/exchange.ts";
import { sendText } from "../../../src/serve/write.ts";
import { serveOwn } from "./own-server.ts";

const clock = { now: () => Date.UTC(2030, 0, 1) };

function inspector(): Inspector {
  return createInspector({ title: "Clients' side", hosts: ["127.0.0.1"], port: 0, clock, limit: 3 });
}

function event(more: Partial<HttpEvent> = {}): HttpEvent {
  return {
    method: "GET",
    host: "registry.test",
    path: "/v2/",
    status: 200,
    requestHeaders: {},
    responseHeaders: {},
    ms: 1,
    ...more,
  };
}

t.test("shows the last events, newest first, with nothing that strangers wrote taken for markup", async (t) => {
  const page = inspector();
  const [address] = await page.start();
  t.teardown(() => page.stop());
  const get = async (
    path: string,
    method = "GET",
  ): Promise<{ status: number | undefined; body: string; policy: unknown }> => {
    const sent = request({ host: "127.0.0.1", port: address?.port, path, method, agent: false }).end();
    const [answer] = await once(sent, "response");
    return { status: answer.statusCode, body: await text(answer), policy: answer.headers["content-security-policy"] };
  };
  t.match(await get("/"), { status: 200, body: /Nothing yet/ });
  for (const name of ["one", "two", "three", "four"]) page.add(event({ path: `/v2/${name}/tags/list?secret` }));
  page.add(
    event({
      path: "/<script>alert(1)</script>",
      requestHeaders: { authorization: "Bearer secret", "x-<b>": "\"'><img src=x onerror=alert(1)>" },
      responseHeaders: { location: "https://cdn.test/x?sig=secret" },
    }),
  );
  const { body, policy } = await get("/");
  t.notMatch(body, /secret|<script|<img|<b>"/);
  t.match(body, "&#60;script&#62;");
  t.match(body, "authorization: Bearer ***");
  t.match(body, "location: https://cdn.test/x\n".trim());
  t.ok(body.indexOf("/v2/four/") < body.indexOf("/v2/three/"));
  t.notMatch(body, "/v2/two/", "three are kept");
  t.match(policy, /^default-src 'none'; style-src 'sha256-/);
  t.equal((JSON.parse((await get("/events.json")).body) as unknown[]).length, 3);
  t.match(await get("/other"), { status: 404 });
  t.match(await get("/", "POST"), { status: 405 });
});

t.test("a port that is taken stops the start with a sentence", async (t) => {
  const first = inspector();
  const [address] = await first.start();
  t.teardown(() => first.stop());
  const second = createInspector({ title: "x", hosts: ["127.0.0.1"], port: address?.port ?? 0, clock });
  await t.rejects(second.start(), { code: "CONFIG_INVALID", message: /cannot listen on port/ });
  await second.stop();
});

t.test("an exchange is shown with the head that it was answered with, however that was given", async (t) => {
  const shown = async (answer: (exchange: Exchange) => void): Promise<InspectedEvent | undefined> => {
    const page = inspector();
    const own = await serveOwn(
      t,
      inspected(async (exchange) => answer(exchange), page.add),
    );
    const got = await own.ask("/v2/a?secret", "GET", { cookie: "secret", accept: "a/b" });
    t.equal(got.headers["x-late"], "2");
    const response = own.exchanges[0]?.response;
    if (response !== undefined && !response.closed) await once(response, "close");
    t.notMatch(JSON.stringify(page.list()), "secret");
    return page.list()[0];
  };
  const responseHeaders = { "x-late": "2", "set-cookie": "***" };
  const head = { "set-cookie": ["secret"], "X-Late": "2" };
  t.match(await shown((exchange) => sendText(exchange, 203, "body", head)), {
    method: "GET",
    path: "/v2/a",
    status: 203,
    requestHeaders: { cookie: "***", accept: "a/b" },
    responseHeaders: { ...responseHeaders, "content-length": "4" },
  });
  const early = await shown((exchange) => {
    exchange.response.setHeader("x-early", "1");
    sendText(exchange, 200, "body", head);
  });
  t.match(early?.responseHeaders, { ...responseHeaders, "x-early": "1" });
  const raw = await shown(({ response }) => response.writeHead(200, ["X-Late", "2", "Set-Cookie", "secret"]).end());
  t.match(raw?.responseHeaders, responseHeaders);
});
