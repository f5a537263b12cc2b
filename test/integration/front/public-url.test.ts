import { once } from "node:events";
import { createServer, request } from "node:http";
import { createServer as createTlsServer, request as tlsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import t from "tap";
import { createPublicUrl, urlOf } from "../../../src/front/public-url.ts";
import { Exchange } from "../../../src/serve/exchange.ts";
import { testAuthority } from "../../fixtures/certificates.ts";

/** What the front takes for its own URL when it is asked with such fields. */
async function asked(headers: Record<string, string>, { tls = false, trusted = false } = {}): Promise<string> {
  const { certPem: cert, keyPem: key } = testAuthority().pairFor("front.test");
  const server = tls ? createTlsServer({ cert, key }) : createServer();
  const publicUrl = createPublicUrl(() => trusted);
  server.on("request", (incoming, response) => {
    const client = incoming.socket.remoteAddress ?? "";
    const exchange = new Exchange(incoming, response, { door: "origin", origin: undefined, target: "/v2/", client });
    response.end(urlOf(publicUrl(exchange)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const options = { host: "127.0.0.1", port, headers, agent: false };
  const sent = tls ? tlsRequest({ ...options, rejectUnauthorized: false }) : request(options);
  sent.end();
  const [response] = (await once(sent, "response")) as [AsyncIterable<Buffer>];
  let text = "";
  for await (const piece of response) text += piece.toString();
  server.close();
  return text.replace(`:${port}`, ":PORT");
}

t.test("it is what the client asked for", async (t) => {
  t.equal(await asked({ host: "Front.test:5000" }), "http://front.test:5000");
  t.equal(await asked({ host: "front.test" }, { tls: true }), "https://front.test");
  t.equal(await asked({ host: "[::1]:80" }), "http://[::1]");
  t.equal(await asked({ host: "no host at all" }), "http://127.0.0.1:PORT");
});

t.test("what a proxy says of it counts only where that is trusted", async (t) => {
  const headers = { host: "inside:3128", "x-forwarded-proto": "https", "x-forwarded-host": "front.test" };
  t.equal(await asked(headers), "http://inside:3128");
  t.equal(await asked(headers, { trusted: true }), "https://front.test");
  t.equal(await asked({ ...headers, "x-forwarded-proto": "https, http" }, { trusted: true }), "https://front.test");
  t.equal(await asked({ ...headers, "x-forwarded-proto": "gopher" }, { trusted: true }), "http://front.test");
  t.equal(
    await asked({ host: "front.test:5000", "x-forwarded-proto": "https" }, { trusted: true }),
    "https://front.test:5000",
  );
  t.equal(await asked({ host: "front.test", "x-forwarded-host": "a b" }, { trusted: true }), "http://front.test");
});
