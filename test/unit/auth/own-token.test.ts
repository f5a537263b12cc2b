import t from "tap";
import { createOwnTokens, deriveKey } from "../../../src/auth/own-token.ts";

const tokens = createOwnTokens(deriveKey("the CA's key", "tokens"));

t.test("what was issued is known, by every process of the instance", async (t) => {
  const token = tokens.issue();
  t.not(token, tokens.issue());
  t.match(token, /^[\w.-]+$/);
  t.ok(tokens.isOwn(`Bearer ${token}`));
  t.ok(tokens.isOwn(`bearer  ${token}`));
  t.ok(createOwnTokens(deriveKey(Buffer.from("the CA's key"), "tokens")).isOwn(`Bearer ${token}`), "after a restart");
  t.notOk(createOwnTokens(deriveKey("another CA's key", "tokens")).isOwn(`Bearer ${token}`));
});

t.test("nothing else is", async (t) => {
  const token = tokens.issue();
  const [prefix, random, mac] = token.split(".");
  const other = tokens.issue().split(".");
  for (const forged of [
    `Basic ${token}`,
    token,
    `Bearer ${token}x`,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${prefix}.${random}.${other[2]}`,
    `Bearer ${prefix}.${other[1]}.${mac}`,
    `Bearer ${prefix}.${random}`,
    `Bearer ${prefix}.${random}.${"A".repeat(43)}`,
    `Bearer x.${random}.${mac}`,
    "Bearer ",
    "",
  ]) {
    t.notOk(tokens.isOwn(forged), forged);
  }
});
