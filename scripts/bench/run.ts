import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import type { Case } from "./cases/case.ts";
import { paces } from "./cases/cold.ts";
import { distance } from "./cases/image.ts";
import {
  CannotTakePart,
  type Contender,
  type ContenderName,
  type ContenderOptions,
  titles,
} from "./contenders/contender.ts";
import { starters } from "./contenders/start.ts";
import { type Load, startLoad } from "./load/client.ts";
import { takePages } from "./pages.ts";
import { Durations, takesPart } from "./participation.ts";
import { type Pki, createPki } from "./pki.ts";
import { place } from "./placing.ts";
import type { Plan } from "./plan.ts";
import { killAll } from "./processes.ts";
import { startRelay } from "./relay.ts";
import { type Sample, type Stage, takeTurn } from "./round.ts";
import { type Content, Site } from "./site.ts";
import { type Upstream, startUpstream } from "./upstream.ts";

export interface RunOptions {
  readonly plan: Plan;
  readonly cases: readonly Case[];
  readonly contenders: readonly ContenderName[];
  /** Where the run's directory is made. */
  readonly base: string;
  readonly pin: boolean;
  /** Where the contenders that are node programs leave their CPU profiles. */
  readonly profileDirectory: string | undefined;
  readonly signal: AbortSignal;
  /** One line of progress. */
  say(line: string): void;
}

export interface RunResult {
  readonly samples: readonly Sample[];
  /** What failed. */
  readonly problems: readonly string[];
  /** Who took no part, and why, beyond what the cases say. */
  readonly absent: readonly string[];
  readonly versions: readonly string[];
}

/** A whole run. Nothing of it stays: processes are ended and the directory is removed, also when it fails. */
export async function run(options: RunOptions): Promise<RunResult> {
  const directory = mkdtempSync(path.join(options.base, "entrepot-bench-"));
  const memory = existsSync("/dev/shm") ? mkdtempSync("/dev/shm/entrepot-bench-") : path.join(directory, "scratch");
  mkdirSync(memory, { recursive: true });
  const bench = new Bench(options, directory, memory);
  try {
    await bench.start();
    await bench.rounds();
    return bench.result();
  } finally {
    await bench.stop();
    killAll();
    for (const each of [directory, memory]) rmSync(each, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Seconds. */
const worthSaying = 10;

class Bench {
  readonly #options: RunOptions;
  readonly #directory: string;
  readonly #memory: string;
  readonly #site: Site;
  readonly #pki: Pki;
  readonly #placing: ReturnType<typeof place>;
  readonly #contenders = new Map<ContenderName, Contender>();
  readonly #samples: Sample[] = [];
  readonly #problems: string[] = [];
  readonly #absent = new Set<string>();
  /** `case contender` of those that failed once: they are not asked again. */
  readonly #out = new Set<string>();
  readonly #durations: Durations;
  #upstream: Upstream | undefined;
  #relay: Awaited<ReturnType<typeof startRelay>> | undefined;
  #load: Load | undefined;

  constructor(options: RunOptions, directory: string, memory: string) {
    this.#options = options;
    this.#directory = directory;
    this.#memory = memory;
    this.#placing = place(options.pin);
    this.#durations = new Durations(options.plan);
    this.#pki = createPki(directory);
    this.#site = new Site(this.#own("site"));
  }

  async start(): Promise<void> {
    const { cases, contenders, signal } = this.#options;
    const site = { site: this.#site.root, scratch: this.#memory, pki: this.#pki, paces };
    this.#upstream = await startUpstream({
      ...site,
      directory: this.#own("upstream"),
      cpus: this.#placing.upstream,
      signal,
    });
    for (const name of contenders) {
      if (!cases.some((each) => each.contenders.includes(name))) continue;
      try {
        this.#contenders.set(name, await this.#startContender(name, name));
      } catch (error) {
        if (signal.aborted) throw error;
        if (error instanceof CannotTakePart) this.#absent.add(`${titles[name]}: ${error.message}`);
        else this.#problem(`${titles[name]}: ${message(error)}`);
      }
    }
  }

  /** In each round every case, in each case every contender, beginning with another one each time. */
  async rounds(): Promise<void> {
    const { rounds, roundsEnd } = this.#options.plan;
    const started = performance.now();
    for (let round = 0; round <= rounds; round++) {
      if (round > 1 && performance.now() - started + this.#durations.expected(round) > roundsEnd * 1000) {
        this.#absent.add(`rounds ${round} to ${rounds}, for which this machine is too slow or too busy`);
        return;
      }
      for (const each of this.#options.cases) {
        if (!this.#takesPart(each, "entrepot", round)) continue;
        this.#options.signal.throwIfAborted();
        this.#options.say(`${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}, ${each.name}`);
        await this.#case(each, round);
      }
    }
  }

  #takesPart(each: Case, name: ContenderName, round: number): boolean {
    return takesPart(this.#options.plan, each, name, round);
  }

  result(): RunResult {
    const versions = [...this.#contenders.values()]
      .filter(({ version }) => version !== "")
      .map(({ name, version }) => `${titles[name]} ${version}`);
    return { samples: this.#samples, problems: this.#problems, absent: [...this.#absent], versions };
  }

  async stop(): Promise<void> {
    await this.#load?.stop();
    for (const contender of this.#contenders.values()) await contender.stop();
    await this.#relay?.service.stop();
    await this.#upstream?.stop();
  }

  async #case(each: Case, round: number): Promise<void> {
    const content = each.make(this.#site);
    const names = each.contenders.filter(
      (name) =>
        this.#takesPart(each, name, round) && this.#contenders.has(name) && !this.#out.has(`${each.name} ${name}`),
    );
    const first = names.length === 0 ? 0 : round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) await this.#turn(each, content, name, round);
    if (each.content === "new") this.#site.remove(content);
  }

  async #turn(each: Case, content: Content, name: ContenderName, round: number): Promise<void> {
    const begun = performance.now();
    let own: Contender | undefined;
    try {
      if (each.own) own = await this.#startContender(name, `${each.own}-${home(name)}`, each.distant);
      const contender = own ?? this.#contenders.get(name);
      const stage = contender && this.#stage(each, content, contender, round);
      if (each.content === "new") takePages(this.#memory);
      const sample = stage && (await takeTurn(stage));
      if (sample && round > 0) this.#samples.push(sample);
    } catch (error) {
      if (this.#options.signal.aborted) throw error;
      this.#out.add(`${each.name} ${name}`);
      this.#problem(`${each.name}, ${titles[name]}, round ${round}: ${message(error)}`);
      await this.#load?.stop(); // it may still be at the job that failed
      this.#load = undefined;
    }
    await own?.stop();
    // What the kernel has yet to write of one contender's cache must not slow the next.
    if (each.content === "new") spawnSync("sync", ["-f", this.#directory]);
    const milliseconds = performance.now() - begun;
    this.#durations.note(round, { case: each, name, milliseconds });
    const seconds = milliseconds / 1000;
    if (seconds > worthSaying) this.#options.say(`${titles[name]} took ${seconds.toFixed(0)} s`);
  }

  /** Undefined where the contender does not play the role. */
  #stage(each: Case, content: Content, contender: Contender, round: number): Stage | undefined {
    const place = contender.places[each.role];
    if (!place || !this.#upstream) {
      this.#absent.add(`${titles[contender.name]} in ${each.name}: ${contender.lacks?.[each.role] ?? "cannot"}`);
      return undefined;
    }
    return {
      case: each,
      content,
      name: contender.name,
      place,
      load: this.#currentLoad(),
      upstream: this.#upstream,
      workers: contender.workers ?? 1,
      warmUpLimit: this.#options.plan.warmUpLimit,
      round,
    };
  }

  async #startContender(name: ContenderName, directory: string, distant = false): Promise<Contender> {
    const { profileDirectory, signal } = this.#options;
    if (!this.#upstream) throw new Error("There is no upstream.");
    const cpus = this.#placing.contender(name);
    const upstream = distant ? await this.#distantUpstream(this.#upstream) : this.#upstream;
    const shared = { pki: this.#pki, upstream, cpus, profileDirectory, signal };
    return await starters[name]({ ...shared, directory: this.#own(directory) });
  }

  async #distantUpstream({ port, plainPort }: Upstream): Promise<ContenderOptions["upstream"]> {
    const logFile = path.join(this.#directory, "relay.log");
    const line = { target: port, distance, logFile, cpus: this.#placing.upstream, signal: this.#options.signal };
    this.#relay ??= await startRelay(line);
    return { port: this.#relay.port, plainPort };
  }

  #currentLoad(): Load {
    const { plan, signal } = this.#options;
    const logFile = path.join(this.#directory, "load.log");
    return (this.#load ??= startLoad({ logFile, cpus: this.#placing.load, jobLimit: plan.jobLimit, signal }));
  }

  #problem(text: string): void {
    this.#problems.push(text.replaceAll(this.#directory, "").replaceAll(/\s+/g, " "));
    this.#options.say(text);
  }

  #own(name: string): string {
    const directory = path.join(this.#directory, name);
    mkdirSync(directory, { recursive: true });
    return directory;
  }
}

/** With two workers or one, the directory is the same. */
function home(name: ContenderName): ContenderName {
  return name === "entrepot-2" ? "entrepot" : name;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
