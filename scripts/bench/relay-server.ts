/** A line of some length to the upstream: what comes in on either side goes out on the other after DELAY milliseconds. */
import net from "node:net";

const settings = process.env;
const delay = Number(settings["DELAY"]);
const target = Number(settings["TARGET"]);

const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
  const far = net.connect({ port: target, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  // The kernel has accepted the connection at once: TCP's own round trip is made up for here.
  forward(near, far, 3 * delay);
  forward(far, near, delay);
});

/** What came first goes out first, `first` milliseconds after it came and all else after the delay, but nothing before what came before it. */
function forward(from: net.Socket, to: net.Socket, first: number): void {
  const waiting: { readonly due: number; readonly send: () => void }[] = [];
  let wait = first;
  const next = (): void => {
    const [head] = waiting;
    if (head) setTimeout(release, Math.max(0, head.due - performance.now()));
  };
  const release = (): void => {
    const now = performance.now();
    while (waiting[0] && waiting[0].due <= now + 0.5) waiting.shift()?.send();
    next();
  };
  const later = (send: () => void): void => {
    waiting.push({ due: performance.now() + wait, send });
    wait = delay;
    if (waiting.length === 1) next();
  };
  from.on("data", (piece) => later(() => to.write(piece)));
  from.on("end", () => later(() => to.end()));
  from.on("error", () => to.destroy());
  from.on("close", (failed) => failed && to.destroy());
}

server.listen(Number(settings["PORT"]), "127.0.0.1");
