import t from "tap";
import { identityOf, withoutIdentity } from "../../../src/serve/identity.ts";

t.test("what tells a registry who asks", async (t) => {
  const plain = { host: "reg.test", accept: "*/*", "user-agent": "docker/27", connection: "close", range: "bytes=0-" };
  t.same(identityOf(plain), { authorization: undefined, text: undefined, plain: true });
  t.same(identityOf({ ...plain, authorization: "Basic x" }), {
    authorization: "Basic x",
    text: "Basic x",
    plain: true,
  });
  const cookie = identityOf({ ...plain, cookie: "a=b" });
  t.match(cookie, { authorization: undefined, text: /a=b/, plain: false });
  const texts = [
    undefined,
    "Basic x",
    cookie.text,
    identityOf({ ...plain, cookie: "a=c" }).text,
    identityOf({ ...plain, "x-api-key": "a=b" }).text,
    identityOf({ ...plain, authorization: "Basic x", cookie: "a=b" }).text,
  ];
  t.equal(new Set(texts).size, texts.length, "each is another's");
  t.equal(
    identityOf({ "x-b": "2", "x-a": ["1", "0"], ...plain }).text,
    identityOf({ ...plain, "x-a": "1, 0", "x-b": "2" }).text,
    "in any order",
  );
});

t.test("what stays of a request that nobody is to be known by", async (t) => {
  const headers = { accept: "a", authorization: "Basic x", cookie: "c", "job-token": "j", range: "bytes=0-" };
  t.same(withoutIdentity(headers), { accept: "a", range: "bytes=0-" });
});
