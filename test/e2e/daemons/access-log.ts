/** One line of a docker-registry's access log (combined log format). */
export interface AccessLine {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly agent: string;
}

export function parseAccessLog(log: string): AccessLine[] {
  return log.split("\n").flatMap((line) => {
    const match = /"(\S+) (\S+) HTTP\/[\d.]+" (\d+) (\d+) "[^"]*" "([^"]*)"/.exec(line);
    if (!match) return [];
    const [, method = "", path = "", status, bytes, agent = ""] = match;
    return [{ method, path, status: Number(status), bytes: Number(bytes), agent }];
  });
}

/** The digests that were asked for with GET below `/blobs/` and answered with content. */
export function blobsFetched(lines: readonly AccessLine[]): string[] {
  return lines.flatMap(({ method, path, status }) => {
    const digest = /\/blobs\/(sha256:[0-9a-f]{64})/.exec(path)?.[1];
    return digest !== undefined && method === "GET" && status < 300 ? [digest] : [];
  });
}

/** All requests below `/blobs/`, whatever the method and the answer. */
export function blobRequests(lines: readonly AccessLine[]): AccessLine[] {
  return lines.filter(({ path }) => path.includes("/blobs/"));
}
