/** A thread with a server that answers a connection's first bytes when it is told to, and then resets it. Its loop runs while the test's stands still. */
import { createServer, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";

/** [0]: connections that were reset. */
const { resets, answer } = workerData as { readonly resets: Int32Array; readonly answer: string };

const server = createServer((socket: Socket) => {
  socket.on("error", () => undefined);
  socket.once("data", () => {
    socket.pause();
    parentPort?.once("message", () => {
      socket.write(answer, () => {
        socket.once("close", () => {
          Atomics.add(resets, 0, 1);
          Atomics.notify(resets, 0);
        });
        socket.resetAndDestroy();
      });
    });
    parentPort?.postMessage("asked");
  });
});
server.listen(0, "127.0.0.1", () => parentPort?.postMessage(server.address()));
