import t from "tap";
import { type Origin, makeOrigin } from "../../../src/core/origin.ts";
import { createItinerary, mostRedirects, nextPlace } from "../../../src/upstream/redirect.ts";

const hub = makeOrigin("https", "registry.test");
const from = { origin: hub, method: "GET", path: "/v2/app/blobs/x?y=1" };
const isPlain = (origin: Origin) => origin.scheme === "http";

function follow(location: string | undefined, status = 307, method = "GET") {
  const place = nextPlace({ ...from, method }, status, location, hub, isPlain);
  return place && `${place.method} ${place.origin.name} ${place.path}`;
}

t.test("the five redirects are followed, other answers are not", async (t) => {
  for (const status of [301, 302, 303, 307, 308]) t.equal(follow("/a", status), "GET registry.test /a");
  for (const status of [200, 300, 304, 305, 401, 500]) t.equal(follow("/a", status), undefined);
  t.equal(follow(undefined), undefined);
});

t.test("303 is read with GET, HEAD stays HEAD", async (t) => {
  t.equal(follow("/a", 303, "POST"), "GET registry.test /a");
  t.equal(follow("/a", 303, "HEAD"), "HEAD registry.test /a");
  t.equal(follow("/a", 307, "HEAD"), "HEAD registry.test /a");
});

t.test("a Location of every form", async (t) => {
  t.equal(follow("/artifacts-downloads/a?b=c"), "GET registry.test /artifacts-downloads/a?b=c");
  t.equal(follow("z"), "GET registry.test /v2/app/blobs/z");
  t.equal(follow("?z"), "GET registry.test /v2/app/blobs/x?z");
  t.equal(follow("//cdn.test/a"), "GET cdn.test /a");
  t.equal(follow("https://cdn.test"), "GET cdn.test /");
  t.equal(follow("https://CDN.test:443?a"), "GET cdn.test /?a");
  t.equal(follow("https://cdn.test:8443/a#part"), "GET cdn.test:8443 /a");
  t.equal(follow("https://user:password@cdn.test/a"), "GET cdn.test /a");
  t.equal(follow(" https://[fd00::1]/a "), "GET [fd00::1] /a");
});

t.test("what was signed is not spelled otherwise", async (t) => {
  const signed = "/a%2Fb/'c'|../x?Signature=a%2bB~'()*&e=%7E";
  t.equal(follow(`https://cdn.test${signed}`), `GET cdn.test ${signed}`);
  t.equal(follow("https://cdn.test/a b"), "GET cdn.test /a%20b");
  const latin1 = Buffer.from("https://cdn.test/ä").toString("latin1");
  t.equal(follow(latin1), "GET cdn.test /%C3%A4");
});

t.test("what is not followed", async (t) => {
  const refused = { code: "UPSTREAM_REDIRECTS", status: 502 };
  for (const location of ["ftp://cdn.test/", "https://", "javascript:alert(1)", "https://a b/", "http://cdn.test/a"]) {
    t.throws(() => follow(location), refused, location);
  }
  try {
    follow("http://cdn.test/a?signature=hidden");
  } catch (error) {
    t.notMatch(String(error), "hidden");
  }
});

t.test("from a plain HTTP registry, plain HTTP is no loss", async (t) => {
  const plain = makeOrigin("http", "registry.test", 5000);
  const start = { ...from, origin: plain };
  t.equal(nextPlace(start, 302, "http://cdn.test/a", plain, isPlain)?.origin.name, "http://cdn.test");
  t.equal(nextPlace(start, 302, "https://cdn.test/a", plain, isPlain)?.origin.name, "cdn.test");
  const between = { ...from, origin: makeOrigin("https", "cdn.test") };
  t.equal(nextPlace(between, 302, "http://cdn2.test/a", plain, isPlain)?.origin.name, "http://cdn2.test");
});

t.test("a registry listed as plain HTTP keeps the name it has with us", async (t) => {
  const listed = () => true;
  for (const [port, named] of [
    [5000, "http://registry.test:5000/a"],
    [443, "http://registry.test/a"],
  ] as const) {
    const origin = makeOrigin("https", "registry.test", port);
    t.equal(nextPlace({ ...from, origin }, 302, named, origin, listed)?.origin.name, origin.name);
    t.equal(nextPlace({ ...from, origin }, 302, "http://cdn.test/a", origin, listed)?.origin.name, "http://cdn.test");
  }
});

t.test("ten redirects, and none twice", async (t) => {
  const itinerary = createItinerary(from);
  t.throws(() => itinerary.visit(from), { code: "UPSTREAM_REDIRECTS", message: /circle/ });
  itinerary.visit({ ...from, method: "HEAD" });
  for (let i = 1; i < mostRedirects; i++) itinerary.visit({ ...from, path: `/${i}` });
  t.throws(() => itinerary.visit({ ...from, path: "/last" }), { code: "UPSTREAM_REDIRECTS", message: /10/ });
});
