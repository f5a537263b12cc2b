import t from "tap";
import { digestOf } from "../../../src/core/digest.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import { ExpectedSizes } from "../../../src/serve/expected-sizes.ts";
import { referencesOf } from "../../../src/serve/references.ts";

const [a, b, c] = ["a", "b", "c"].map((text) => digestOf(Buffer.from(text))) as [
  ReturnType<typeof digestOf>,
  ReturnType<typeof digestOf>,
  ReturnType<typeof digestOf>,
];
const manifest = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

t.test("what a manifest refers to, and how large it says that is", async (t) => {
  const image = { config: { digest: a, size: 1 }, layers: [{ digest: b, size: -1 }, { digest: "nonsense" }, null] };
  t.same(referencesOf(manifest(image)), [
    { digest: a, size: 1 },
    { digest: b, size: undefined },
  ]);
  t.same(referencesOf(manifest({ manifests: [{ digest: c, size: "12" }] })), [{ digest: c, size: undefined }]);
  for (const none of [Buffer.from("{"), manifest(null), manifest([]), manifest({ layers: 1 })]) {
    t.same(referencesOf(none), []);
  }
});

t.test("sizes hold for the repository whose manifest told them", async (t) => {
  const sizes = new ExpectedSizes();
  const origin = makeOrigin("https", "reg.test");
  sizes.note(origin, "app", [
    { digest: a, size: 10 },
    { digest: b, size: undefined },
  ]);
  sizes.note(origin, "app", [{ digest: a, size: 5 }]);
  t.equal(sizes.get(origin, "app", a), 10, "the larger of two");
  t.equal(sizes.get(origin, "app", b), undefined);
  t.equal(sizes.get(origin, "other", a), undefined);
  t.equal(sizes.get(makeOrigin("https", "other.test"), "app", a), undefined);
  const many = Array.from({ length: 30_000 }, (_, index) => ({ digest: digestOf(Buffer.from(`${index}`)), size: 1 }));
  sizes.note(origin, "app", many);
  t.equal(sizes.get(origin, "app", a), undefined, "there is an end to them");
});
