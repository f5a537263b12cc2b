import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** What there is of V8 for this: a part that tests replace. */
export interface YoungHeap {
  /** Bytes that its new space has now. */
  size(): number;
  /** By which factor it grows where much survives; 1: not at all. */
  growBy(factor: number): void;
  /** Calls after each collection, or after some. */
  onCollected(listener: () => void): void;
}

/** V8's own (`--semi-space-growth-factor`). */
const usualFactor = 2;

/**
 * Keeps V8's young generation from growing once it has `limit` bytes. By itself it grows to a hundred MiB where much survives, as pieces of a body do that wait
 * for their client, and does not become smaller while there is work. Where it has shrunk, in idle times, it may grow again. `--max-semi-space-size` would say
 * the same, but only who starts node can give it.
 */
export function boundYoungGeneration(limit: number = 32 * 1024 * 1024, heap: YoungHeap = ownHeap): void {
  let factor = usualFactor;
  const look = (): void => {
    const right = heap.size() < limit ? usualFactor : 1;
    if (right !== factor) heap.growBy(right);
    factor = right;
  };
  look();
  heap.onCollected(look);
}

const ownHeap: YoungHeap = {
  size: () => getHeapSpaceStatistics().find((space) => space.space_name === "new_space")?.space_size ?? 0,
  growBy: (factor) => setFlagsFromString(`--semi-space-growth-factor=${factor}`),
  onCollected: (listener) => new PerformanceObserver(listener).observe({ entryTypes: ["gc"] }),
};
