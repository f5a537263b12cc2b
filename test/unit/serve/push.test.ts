import t from "tap";
import { makeOrigin } from "../../../src/core/origin.ts";
import { usableLocation } from "../../../src/serve/push.ts";

t.test("the Location of an upload leads back through the proxy", async (t) => {
  const origin = makeOrigin("https", "reg.test", 5000);
  const cases: [location: string, expected: string][] = [
    ["/v2/a/blobs/uploads/1?_state=x", "/v2/a/blobs/uploads/1?_state=x"],
    ["https://reg.test:5000/v2/a/blobs/uploads/1", "https://reg.test:5000/v2/a/blobs/uploads/1"],
    ["http://reg.test:5000/v2/a/blobs/uploads/1?s=2", "https://reg.test:5000/v2/a/blobs/uploads/1?s=2"],
    ["http://reg.test/v2/a/blobs/uploads/1", "https://reg.test:5000/v2/a/blobs/uploads/1"],
    ["https://storage.test/upload/1", "https://storage.test/upload/1"],
  ];
  for (const [location, expected] of cases) t.equal(usableLocation(location, origin), expected, location);
});
