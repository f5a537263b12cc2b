import { BlockList, isIP } from "node:net";

/** Whether a target is reached without the egress proxy. */
export type Bypass = (host: string, port: number) => boolean;

/**
 * The NO_PROXY list, as curl and Go programs read it: entries separated by commas or spaces; `*` is everything, `example.com` and
 * `.example.com` a name and all below it, `host:port` one port of it, an address or a CIDR range the addresses in it.
 */
export function parseNoProxy(text: string | undefined): Bypass {
  const ranges = new BlockList();
  const names: { readonly name: string; readonly port: number | undefined }[] = [];
  for (const entry of (text ?? "").toLowerCase().split(/[\s,]+/)) {
    if (entry === "") continue;
    if (entry === "*") return () => true;
    if (!addRange(ranges, entry)) names.push(parseName(entry));
  }
  return (host, port) => {
    const family = isIP(host);
    if (family !== 0 && ranges.check(host, family === 4 ? "ipv4" : "ipv6")) return true;
    return names.some(
      (entry) =>
        (entry.port === undefined || entry.port === port) && (host === entry.name || host.endsWith(`.${entry.name}`)),
    );
  };
}

function addRange(ranges: BlockList, entry: string): boolean {
  const [address = "", prefix] = entry.replace(/^\[|\](?=\/|$)/g, "").split("/");
  const family = isIP(address);
  if (family === 0) return false;
  const longest = family === 4 ? 32 : 128;
  const length = prefix === undefined ? longest : Number(prefix);
  if (!Number.isInteger(length) || length < 0 || length > longest) return false;
  ranges.addSubnet(address, length, family === 4 ? "ipv4" : "ipv6");
  return true;
}

function parseName(entry: string): { name: string; port: number | undefined } {
  const match = /^\[?(.*?)\]?(?::(\d+))?$/.exec(entry);
  const name = (match?.[1] ?? entry).replace(/^\*?\./, "");
  return { name, port: match?.[2] === undefined ? undefined : Number(match[2]) };
}
