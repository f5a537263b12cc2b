import type { IncomingMessage, ServerResponse } from "node:http";
import t, { type Test } from "tap";
import { createCredentials } from "../../../src/auth/credentials.ts";
import { createAuthorizer } from "../../../src/auth/tokens.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import { createLog } from "../../../src/observe/log.ts";
import { createUpstream } from "../../../src/upstream/client.ts";
import { createAuthority, dialerOptions, serveHttps } from "../upstream/tls-server.ts";

/** Authorizer and way out as they are composed, against a registry and a token service. */

const authority = createAuthority(t.testdir());
const pair = authority.issue("registry.test", "front.test", "auth.test", "cdn.test");
const basic = `Basic ${Buffer.from("me:secret").toString("base64")}`;

async function start(t: Test, getStatus = 200) {
  const seen: string[] = [];
  const token = (message: IncomingMessage, response: ServerResponse, port: number) => {
    if (message.method === "GET" && getStatus !== 200) return response.writeHead(getStatus).end();
    const scope = new URL(`https://auth.test:${port}${message.url}`).searchParams.get("scope");
    const who = message.headers.authorization === undefined && message.method === "GET" ? "anybody" : "me";
    return response.end(JSON.stringify({ token: `${who}-${scope}`, expires_in: 300 }));
  };
  const server = await serveHttps(t, pair, (message, response) => {
    const host = message.headers.host?.replace(/:\d+$/, "") ?? "";
    const port = message.socket.localPort ?? 0;
    const { authorization } = message.headers;
    seen.push(`${host} ${message.method} ${authorization}`);
    const at = (place: string) => ({ location: `https://${place.replace("/", `:${port}/`)}` });
    if (host === "auth.test") return token(message, response, port);
    if (host === "cdn.test") return response.end("content");
    if (host === "front.test") return response.writeHead(307, at("registry.test/v2/app")).end();
    if (authorization?.startsWith("Bearer ")) return response.writeHead(307, at("cdn.test/blob")).end();
    const challenge = `Bearer realm="https://auth.test:${port}/token",service="r",scope="${message.url?.slice(4)}"`;
    return response.writeHead(401, { "www-authenticate": challenge }).end();
  });
  const upstream = createUpstream({
    dialer: dialerOptions({ extraRoots: authority.root }),
    timeouts: { readMs: 5000, sendMs: 5000 },
    authorizer: (send, isPlain) =>
      createAuthorizer({
        credentials: createCredentials([{ host: "registry.test", user: "me", password: "secret" }]),
        send,
        isPlain,
        clock: systemClock,
        log: createLog({ level: "silent", format: "json" }),
      }),
  });
  t.teardown(() => upstream.close());
  const fetch = async (host: string, path: string) => {
    const response = await upstream.fetch({
      origin: makeOrigin("https", host, server.port),
      method: "GET",
      path,
      headers: {},
      authorization: undefined,
      scope: path.slice(4),
      redirects: "follow",
      signal: new AbortController().signal,
    });
    const body = Buffer.concat((await response.body.toArray()) as Buffer[]).toString();
    return `${response.status} ${body} ${response.injected} ${response.attempts} ${response.from.host}`;
  };
  return { fetch, seen };
}

t.test("a private image with a configured credential", async (t) => {
  const { fetch, seen } = await start(t);
  t.equal(await fetch("registry.test", "/v2/app"), "200 content true 3 cdn.test");
  t.equal(await fetch("registry.test", "/v2/other"), "200 content true 2 cdn.test");
  t.same(seen, [
    `registry.test GET ${basic}`,
    `auth.test GET ${basic}`,
    "registry.test GET Bearer me-app",
    "cdn.test GET undefined",
    `auth.test GET ${basic}`,
    "registry.test GET Bearer me-other",
    "cdn.test GET undefined",
  ]);
});

t.test("through a front that redirects to the registry", async (t) => {
  const { fetch, seen } = await start(t);
  t.equal(await fetch("front.test", "/v2/app"), "200 content true 4 cdn.test");
  t.same(seen.slice(0, 4), [
    "front.test GET undefined",
    "registry.test GET undefined",
    `auth.test GET ${basic}`,
    "registry.test GET Bearer me-app",
  ]);
});

t.test("a token service with OAuth2 alone", async (t) => {
  const { fetch, seen } = await start(t, 405);
  t.equal(await fetch("registry.test", "/v2/app"), "200 content true 3 cdn.test");
  t.same(seen.slice(1, 3), [`auth.test GET ${basic}`, "auth.test POST undefined"]);
});
