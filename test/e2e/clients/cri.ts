import { connect } from "node:http2";
import { createConnection } from "node:net";

/**
 * Pulls an image as a kubelet does: containerd itself fetches it. Kubernetes' container runtime interface,
 * `runtime.v1.ImageService/PullImage`; the messages are one string field deep, so they are written by hand.
 * @param socket path of containerd's Unix socket
 * @param login as a pod's imagePullSecrets give it
 * @returns the reference of the image: the digest of its config
 */
export async function criPull(
  socket: string,
  image: string,
  timeout = 60_000,
  login?: { readonly user: string; readonly password: string },
): Promise<string> {
  const session = connect("http://localhost", { createConnection: () => createConnection(socket) });
  try {
    return await new Promise<string>((resolve, reject) => {
      session.on("error", reject);
      const stream = session.request({
        ":method": "POST",
        ":path": "/runtime.v1.ImageService/PullImage",
        "content-type": "application/grpc",
        te: "trailers",
      });
      const chunks: Buffer[] = [];
      let refusal: string | undefined;
      // A failure comes in the trailers, or in the headers where there is no body.
      for (const event of ["response", "trailers"] as const) {
        stream.on(event, (headers) => {
          if ((headers["grpc-status"] ?? "0") !== "0") refusal = decodeURIComponent(String(headers["grpc-message"]));
        });
      }
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", reject);
      stream.on("end", () => {
        if (refusal === undefined) resolve(stringField(Buffer.concat(chunks).subarray(framePrefix)));
        else reject(new Error(refusal));
      });
      stream.setTimeout(timeout, () => stream.close());
      const spec = field(1, field(1, Buffer.from(image)));
      // PullImageRequest.auth: AuthConfig's username and password.
      const auth = login && [field(1, Buffer.from(login.user)), field(2, Buffer.from(login.password))];
      stream.end(frame(Buffer.concat([spec, ...(auth === undefined ? [] : [field(2, Buffer.concat(auth))])])));
    });
  } finally {
    session.destroy();
  }
}

/** gRPC over HTTP/2 §"Length-Prefixed-Message": one byte for compression, four for the length. */
const framePrefix = 5;

function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(framePrefix);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A field of wire type 2 (length-delimited), of less than 128 bytes so that the length is one byte. */
function field(number: number, content: Buffer): Buffer {
  if (content.length > 127) throw new Error("too long for a length of one byte");
  return Buffer.concat([Buffer.from([number * 8 + 2, content.length]), content]);
}

function stringField(message: Buffer): string {
  return message.subarray(2, 2 + (message[1] ?? 0)).toString("utf8");
}
