import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import t from "tap";
import { openAuthority } from "../../../src/ca/authority.ts";
import { caShow } from "../../../src/cli/ca.ts";

async function show(directory: string): Promise<{ code: number; text: string }> {
  let text = "";
  const code = await caShow({ directory }, { write: (chunk: string) => ((text += chunk), true) });
  return { code, text };
}

t.test("ca show says where the root is and which it is, and ends with its PEM", async (t) => {
  const directory = t.testdir();
  const authority = await openAuthority({ directory });
  const { code, text } = await show(directory);
  t.equal(code, 0);
  for (const part of [join(directory, "ca.crt"), authority.subject, authority.fingerprint])
    t.ok(text.includes(part), part);
  t.match(text, /^Valid {8}\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d$/m);
  const pem = text.slice(text.indexOf("-----BEGIN"));
  t.equal(new X509Certificate(pem).fingerprint256, authority.fingerprint);
  t.notMatch(text, /PRIVATE KEY/);
});

t.test("without a CA it makes none and says so", async (t) => {
  const { code, text } = await show(join(t.testdir(), "none"));
  t.equal(code, 1);
  t.match(text, /^There is no CA yet at .*\n$/);
});
