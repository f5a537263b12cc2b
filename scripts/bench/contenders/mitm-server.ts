/** The process of the http-mitm-proxy contender: what is on the disk is served, what is not is fetched and kept. */
import { createReadStream, createWriteStream, existsSync, readFileSync, renameSync, statSync } from "node:fs";
import https from "node:https";
import net from "node:net";
import path from "node:path";
import { type IContext, Proxy } from "http-mitm-proxy";
import { registryHost } from "../pki.ts";

const settings = process.env;
const cacheDirectory = settings["CACHE_DIR"] ?? "";
const upstreamPort = Number(settings["UPSTREAM_PORT"]);
const chunk = 1024 * 1024;

const proxy = new Proxy();

/** What is not the registry's is not looked into, as the library's own example of a tunnel has it. */
proxy.onConnect((request, socket, head, intercept) => {
  const [host = "", port] = (request.url ?? "").split(":");
  if (host === registryHost) {
    intercept();
    return;
  }
  const target = net.connect(Number(port), host, () => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    target.write(head);
    socket.pipe(target).pipe(socket);
  });
  target.on("error", () => socket.destroy());
  socket.on("error", () => target.destroy());
});

proxy.onRequest((context, forward) => {
  const file = cacheFile(context);
  if (context.clientToProxyRequest.method === "GET" && existsSync(file)) {
    serve(context, file);
    return;
  }
  const request = context.proxyToServerRequestOptions;
  if (request) Object.assign(request, { host: "127.0.0.1", port: upstreamPort, servername: registryHost });
  forward();
});

proxy.onResponse((context, forward) => {
  const response = context.serverToProxyResponse;
  if (response?.statusCode === 200 && context.clientToProxyRequest.method === "GET") {
    const file = cacheFile(context);
    const temporary = `${file}.${process.hrtime.bigint()}`;
    const length = Number(response.headers["content-length"]);
    const out = createWriteStream(temporary, { highWaterMark: chunk });
    out.once("finish", () => {
      if (out.bytesWritten === length) renameSync(temporary, file);
    });
    response.pipe(out);
  }
  forward();
});

proxy.onError((_context, error, kind) => {
  process.stderr.write(`${kind ?? ""}: ${String(error)}\n`);
});

function serve(context: IContext, file: string): void {
  context.clientToProxyRequest.resume();
  context.proxyToClientResponse.writeHead(200, {
    "Content-Type": "application/octet-stream",
    "Content-Length": statSync(file).size,
  });
  createReadStream(file, { highWaterMark: chunk }).pipe(context.proxyToClientResponse);
}

function cacheFile(context: IContext): string {
  return path.join(cacheDirectory, (context.clientToProxyRequest.url ?? "").replaceAll("/", "_"));
}

proxy.listen({
  host: "127.0.0.1",
  port: Number(settings["PORT"]),
  sslCaDir: settings["CA_DIR"] ?? "",
  keepAlive: true,
  httpsAgent: new https.Agent({ keepAlive: true, ca: readFileSync(settings["UPSTREAM_CA_FILE"] ?? "") }),
});
