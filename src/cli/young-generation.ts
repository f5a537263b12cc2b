import { setFlagsFromString } from "node:v8";

/**
 * From now on V8's young generation keeps the size that it has, at the start 1 MiB for each half. By itself it grows to 16 or 32 MiB a half, and
 * what is short-lived here does not fill one. Who chose a size for it on node's command line has it.
 */
export function holdYoungGeneration({ execArgv, env }: Pick<NodeJS.Process, "execArgv" | "env">): void {
  const chosen = [...execArgv, env["NODE_OPTIONS"] ?? ""].some((text) => /--(?:max|min)[-_]semi[-_]space/.test(text));
  // Of all flags about it this one is read at each growth, so that it may come after the start.
  if (!chosen) setFlagsFromString("--semi-space-growth-factor=1");
}
