import t from "tap";
import { startProxy } from "../../fixtures/proxy.ts";

t.test("a start with CACHE_ACCESS=shared says in one line what that means", async (t) => {
  const warnings = async (env: Record<string, string>): Promise<unknown[]> => {
    const { logLines } = await startProxy(t, { env });
    return logLines.filter(({ event }) => event === "access-shared");
  };
  t.match(await warnings({ CACHE_ACCESS: "shared" }), [
    { level: "warn", msg: /every client .* private images included/ },
  ]);
  t.same(await warnings({}), []);
});
