import { compose } from "../compose/service.ts";
import { joinInstance } from "../compose/worker.ts";
import type { LoadedConfig } from "../config/load.ts";
import { asEntrepotError } from "../core/errors.ts";
import type { Log } from "../observe/log.ts";
import { Link } from "../workers/link.ts";
import { exitCodes } from "./run.ts";
import type { StartParts } from "./start-parts.ts";
import { packageVersion } from "./version.ts";

/** A worker: serves clients until its primary says that it is to stop. */
export async function work({ config }: LoadedConfig, parts: StartParts & { readonly log: Log }): Promise<number> {
  const { io, clock } = parts;
  // The primary's to obey: a terminal sends its signals to all.
  io.signals.onReload(() => undefined);
  const link = new Link({
    send: (message) => void process.send?.(message),
    onMessage: (listener) => void process.on("message", listener),
    onClose: (listener) => void process.once("disconnect", listener),
  });
  try {
    const welcome = await link.hello();
    const log = parts.log.child({ worker: welcome.worker });
    const open = joinInstance(link, welcome);
    const service = await compose(config, { log, version: packageVersion(), clock, open });
    const listening = await service.start(welcome.doors);
    await new Promise<void>((resolve, reject) => {
      link.ready(listening, {
        figures: service.figures,
        adopt: (queues) =>
          void service
            .adopt(queues)
            .catch((error: unknown) => log.error({ event: "worker", err: error }, "a socket could not be taken over")),
        stop: (how, limit) => void service.stop(how, limit).then(resolve, reject),
      });
    });
    await link.goodbye();
    return exitCodes.ok;
  } catch (error) {
    await link.unfit(asEntrepotError(error));
    return exitCodes.failed;
  }
}
