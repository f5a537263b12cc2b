import t from "tap";
import { Silence } from "../../../src/listen/silence.ts";

t.test("silence adds up until something moves", async (t) => {
  const silence = new Silence();
  t.equal(silence.add(100, 5, 100), 100, "the timer itself proves its interval");
  t.equal(silence.add(100, 5, 100), 200);
  t.equal(silence.add(100, 6, 100), 100, "a byte starts it anew");
  t.equal(silence.add(100, 7, 0), 0, "or from nothing, where the timer is another socket's");
  t.equal(silence.add(100, 7, 0), 100);
});
