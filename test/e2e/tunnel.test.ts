import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { join } from "node:path";
import t, { type Test } from "tap";
import { startProxy } from "./daemons/proxy.ts";
import { makeAuthority } from "./machine/authority.ts";
import { ownEnvironment } from "./machine/environment.ts";
import { openPlace, type Place } from "./machine/place.ts";
import { skipWithout } from "./machine/programs.ts";
import { run } from "./machine/run.ts";

t.setTimeout(60_000);
const skip = skipWithout("curl", "openssl");
const body = randomBytes(5 * 1024 * 1024);

/** Answers GET with the body, and anything else with the hash of what it was sent. */
const site: RequestListener = (request, response) => {
  response.setHeader("x-site", `${request.method} ${request.headers.host} ${request.url}`);
  if (request.method === "GET") {
    response.end(body);
    return;
  }
  const hash = createHash("sha256");
  request.on("data", (chunk: Buffer) => hash.update(chunk));
  request.on("end", () => response.end(hash.digest("hex")));
};

async function listen(place: Place, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  place.atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : 0;
}

await t.test("a site that is no registry", { skip }, async (t: Test) => {
  const place = openPlace(t);
  const authority = makeAuthority(place);
  const { key, certificate } = authority.issue("site.test");
  const tls = { key: readFileSync(key), cert: readFileSync(certificate) };
  const secure = await listen(place, createHttpsServer(tls, site));
  const plain = await listen(place, createHttpServer(site));
  const proxy = await startProxy(place, {
    HOST_MAP: `site.test:443=127.0.0.1:${secure} site.test:80=127.0.0.1:${plain}`,
  });
  const home = place.folder("curl");
  const sent = join(home, "sent");
  writeFileSync(sent, body);
  const headers = join(home, "headers");
  const received = join(home, "received");
  const curl = async (...args: string[]) => {
    const options = ["--silent", "--show-error", "--fail", "--proxy", proxy.url, "--dump-header", headers];
    await run("curl", [...options, "--output", received, ...args], { env: ownEnvironment(home) });
    return { content: readFileSync(received), head: readFileSync(headers, "utf8") };
  };
  const hash = createHash("sha256").update(body).digest("hex");

  await t.test("over HTTPS, byte for byte, and with its own certificate", async (t) => {
    const got = await curl("--cacert", authority.file, "https://site.test/a?b=c");
    t.ok(got.content.equals(body));
    t.match(got.head, "x-site: GET site.test /a?b=c");
    const put = await curl("--cacert", authority.file, "--upload-file", sent, "https://site.test/put");
    t.equal(put.content.toString(), hash);
    await t.rejects(curl("--cacert", proxy.root, "https://site.test/"), /certificate/i);
  });

  await t.test("over plain HTTP in the absolute form", async (t) => {
    const got = await curl("http://site.test/a?b=c");
    t.ok(got.content.equals(body));
    t.match(got.head, "x-site: GET site.test /a?b=c");
    const put = await curl("--upload-file", sent, "http://site.test/put");
    t.equal(put.content.toString(), hash);
  });
});
