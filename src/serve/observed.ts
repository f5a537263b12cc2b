import type { Trace } from "../observe/trace.ts";
import type { Handler } from "./exchange.ts";

/** A handler whose every exchange is recorded once, when its response is over, whatever became of it. */
export function observed(handler: Handler, record: (trace: Trace) => void): Handler {
  return async (exchange) => {
    const { response, trace } = exchange;
    exchange.onEnd(() => {
      trace.lastByte = performance.now() - exchange.started;
      if (!response.writableFinished) trace.error ??= "CANCELLED";
      record(trace);
    });
    await handler(exchange);
  };
}
