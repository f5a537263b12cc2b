import t from "tap";
import { parseRegistryRequest } from "../../../src/core/request.ts";
import { decide } from "../../../src/policy/decide.ts";
import { tierOfTag, type TierRules } from "../../../src/policy/tiers.ts";

const tiers: TierRules = {
  enabled: true,
  primary: { pattern: /^(?:(stable|nightly|production|test))/, ttl: 600_000 },
  secondary: { pattern: /^(?:(.*)(\d|\.)+(.*)(\d|\.)+(.*)(\d|\.)+)/, ttl: 60 * 86_400_000 },
  defaultTtl: 3_600_000,
};
const digest = `sha256:${"a".repeat(64)}`;

t.test("tiers of tags", async (t) => {
  const cases: [tag: string, type: string, ttl: number][] = [
    ["stable", "manifest-primary", 600_000],
    ["stable-1.2.3", "manifest-primary", 600_000],
    ["Stable", "manifest-default", 3_600_000],
    ["1.2.3", "manifest-secondary", 60 * 86_400_000],
    ["v1.2.3-alpine", "manifest-secondary", 60 * 86_400_000],
    ["12", "manifest-default", 3_600_000],
    ["latest", "manifest-default", 3_600_000],
    [`sha256-${"1".repeat(64)}`, "manifest-default", 3_600_000],
    [`sha256-${"1".repeat(64)}.sig`, "manifest-default", 3_600_000],
  ];
  for (const [tag, type, ttl] of cases) t.same(tierOfTag(tiers, tag), { type, ttl }, tag);
  t.same(tierOfTag({ ...tiers, enabled: false }, "1.2.3"), { type: "manifest-default-disabled", ttl: 0 });
});

t.test("what becomes of a request", async (t) => {
  const cases: [method: string, target: string, push: boolean, expected: string][] = [
    ["GET", "/v2/", false, "pass"],
    ["GET", "/v2/a/manifests/1", false, "pull"],
    ["HEAD", `/v2/a/blobs/${digest}`, false, "pull"],
    ["HEAD", `/v2/a/blobs/${digest}`, true, "pass"],
    ["GET", `/v2/a/blobs/${digest}`, true, "pull"],
    ["GET", "/v2/a/tags/list", false, "pass"],
    ["GET", "/token?scope=x", false, "pass"],
    ["POST", "/token", false, "pass"],
    ["POST", "/oauth2/exchange", false, "pass"],
    ["POST", "/v2/a/blobs/uploads/", false, "refuse"],
    ["POST", "/v2/unheard/of", false, "refuse"],
    ["PATCH", "/v2/a/blobs/uploads/1", false, "refuse"],
    ["PUT", "/v2/a/manifests/1", false, "refuse"],
    ["DELETE", "/v2/a/manifests/1", false, "refuse"],
    ["PUT", "/anywhere", false, "refuse"],
    ["PUT", "/v2/a/manifests/1", true, "push"],
    ["DELETE", "/v2/a/manifests/1", true, "push"],
    ["GET", "/v2/a/blobs/uploads/1", true, "pass"],
    ["BREW", "/v2/", true, "refuse"],
    ["GET", "/v1/search", false, "refuse"],
    ["GET", "/v2/a/../b/manifests/1", false, "refuse"],
    ["PUT", "/v2/a/%00/manifests/1", true, "refuse"],
  ];
  for (const [method, target, allowPush, expected] of cases) {
    t.equal(decide({ allowPush, tiers }, method, parseRegistryRequest(target)).action, expected, `${method} ${target}`);
  }
});

t.test("a refused push names the option", async (t) => {
  const decision = decide({ allowPush: false, tiers }, "PUT", parseRegistryRequest("/v2/a/manifests/1"));
  t.match(decision, { action: "refuse", error: { status: 405, code: "UNSUPPORTED", message: /ALLOW_PUSH=true/ } });
});
