import path from "node:path";
import { launch } from "../processes.ts";
import type { Answer, Job, JobResult } from "./job.ts";

export interface Load {
  /** One job at a time. */
  run(job: Job, options?: RunOptions): Promise<JobResult>;
  stop(): Promise<void>;
}

export interface RunOptions {
  /** A window begins, then ends. */
  readonly onMark?: () => void;
  /** Milliseconds after which the job is given up. */
  readonly limit?: number;
}

export interface LoadOptions {
  readonly logFile: string;
  readonly cpus: string | undefined;
  /** Milliseconds after which a job is given up that says nothing else. */
  readonly jobLimit: number;
  readonly signal: AbortSignal;
}

/** The load runs in a process of its own, so that its CPU does not count as a contender's. */
export function startLoad(options: LoadOptions): Load {
  const service = launch({
    name: "load",
    command: process.execPath,
    args: [path.join(import.meta.dirname, "main.ts")],
    cpus: options.cpus,
    logFile: options.logFile,
    ipc: true,
  });
  const { child } = service;
  const run = (job: Job, { onMark, limit: most = options.jobLimit }: RunOptions = {}): Promise<JobResult> =>
    new Promise((resolve, reject) => {
      options.signal.throwIfAborted();
      const limit = AbortSignal.any([options.signal, AbortSignal.timeout(most)]);
      const end = (): void => {
        child.off("message", onMessage);
        child.off("exit", onExit);
        limit.removeEventListener("abort", onLimit);
      };
      const onMessage = (message: unknown): void => {
        const answer = message as Answer;
        if ("mark" in answer) {
          onMark?.();
          return;
        }
        end();
        if ("result" in answer) resolve(answer.result);
        else reject(new Error(answer.problem));
      };
      const onExit = (): void => {
        end();
        reject(new Error("The load's process ended."));
      };
      const onLimit = (): void => {
        end();
        reject(new Error(`The ${job.kind} took too long or was interrupted.`));
      };
      child.on("message", onMessage);
      child.on("exit", onExit);
      limit.addEventListener("abort", onLimit);
      child.send(job);
    });
  return { run, stop: () => service.stop() };
}
