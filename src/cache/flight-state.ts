/**
 * What a flight knows and what follows from it, as pure functions: no clock, no stream, no file. `fill.ts` feeds it events and does
 * what the new phase asks for. Positions and sizes are bytes.
 */

/**
 * asking: waiting for the upstream's head, first or again. filling: its body arrives. proving: all bytes are on the spool, the hash is
 * compared and the spool adopted. landed and failed are final.
 */
export type FlightPhase = "asking" | "filling" | "proving" | "landed" | "failed";

/** Why a flight failed for good. "upstream": with the error that the upstream's last attempt ended with. "final": with one that is not tried again.
 * "unexpected": longer than the manifest says, which may be the manifest's fault. */
export type FlightFailure =
  | "upstream"
  | "final"
  | "too-long"
  | "unexpected"
  | "size-changed"
  | "misplaced"
  | "prefix-changed"
  | "wrong-digest"
  | "disk"
  | "stopped";

export interface FlightState {
  readonly phase: FlightPhase;
  /** Of the whole blob, once the upstream has said it. */
  readonly size: number | undefined;
  /** What a manifest says of it: more than this is wrong before it is hashed. */
  readonly most: number | undefined;
  /** Of the current body, or of the one that broke. */
  readonly validator: string | undefined;
  /** The rest was of another version than what we have: the next attempt is from zero. */
  readonly restarting: boolean;
  /** Whether the upstream ever answered: from then on, followers have the head and a break is worth mending. */
  readonly answered: boolean;
  /** Got from the upstream, from the start and without a gap. */
  readonly received: number;
  /** Of these, on the spool, or in memory where the disk took no more. */
  readonly written: number;
  /** Bytes on the spool, once the disk took no more: from there on, what there is is in memory. */
  readonly spooled: number | undefined;
  /** Of these, open to followers. */
  readonly visible: number;
  /** Bytes of the current body still to be compared with what we have: it began at zero although the rest was asked for. */
  readonly repeating: number;
  /** The current body has ended as it should. */
  readonly ended: boolean;
  /** Breaks in a row with next to nothing received in between. */
  readonly breaks: number;
  /** `received` at the last break. */
  readonly brokeAt: number;
  readonly failure: FlightFailure | undefined;
}

export type FlightEvent =
  | {
      readonly type: "answered";
      readonly offset: number;
      readonly size: number | undefined;
      readonly validator?: string | undefined;
    }
  | { readonly type: "received"; readonly bytes: number }
  | { readonly type: "repeated"; readonly bytes: number; readonly same: boolean }
  | { readonly type: "written"; readonly bytes: number }
  | { readonly type: "disk-lost" }
  | { readonly type: "ended" }
  | { readonly type: "broke"; readonly retries: number }
  | { readonly type: "proved"; readonly right: boolean }
  | { readonly type: "landed" }
  | { readonly type: "failed"; readonly failure: FlightFailure };

/** At least this much of the end is nobody's before the hash is right. A blob that is smaller is shown whole or not at all. */
export const heldBack = 64 * 1024;
/** An attempt that brought less than this is one more of the same break. */
const progress = 64 * 1024;

export const initialFlight: FlightState = {
  phase: "asking",
  size: undefined,
  most: undefined,
  validator: undefined,
  restarting: false,
  answered: false,
  received: 0,
  written: 0,
  spooled: undefined,
  visible: 0,
  repeating: 0,
  ended: false,
  breaks: 0,
  brokeAt: 0,
  failure: undefined,
};

/** The state after an event. An event that comes too late for the phase changes nothing. */
export function step(state: FlightState, event: FlightEvent): FlightState {
  if (state.phase === "landed" || state.phase === "failed") return state;
  switch (event.type) {
    case "answered":
      return answered(state, event);
    case "received":
      return received(state, event.bytes);
    case "repeated":
      return event.same ? { ...state, repeating: state.repeating - event.bytes } : fail(state, "prefix-changed");
    case "written":
      return settle(show({ ...state, written: state.written + event.bytes }));
    case "disk-lost":
      return state.spooled === undefined ? { ...state, spooled: state.written } : state;
    case "ended":
      return state.phase === "filling" ? settle({ ...state, ended: true }) : state;
    case "broke":
      return broke(state, event.retries);
    case "proved":
      return event.right ? state : fail(state, "wrong-digest");
    case "landed":
      return state.phase === "proving"
        ? { ...state, phase: "landed", size: state.received, visible: state.received }
        : state;
    case "failed":
      return fail(state, event.failure);
  }
}

function answered(
  state: FlightState,
  { offset, size, validator }: Extract<FlightEvent, { type: "answered" }>,
): FlightState {
  if (state.phase !== "asking") return state;
  if (offset !== askFrom(state) && offset !== 0) return fail(state, "misplaced");
  const resized = state.size !== undefined && size !== undefined && size !== state.size;
  // RFC 9110 §13.1.5: parts of two versions do not make one. A whole body, however, is compared with what we have.
  if (offset > 0 && (resized || isOther(validator, state.validator))) return { ...state, restarting: true };
  if (resized) return fail(state, "size-changed");
  const whole = state.size ?? size;
  if (whole !== undefined && state.received > whole) return fail(state, "too-long");
  if (whole !== undefined && whole > (state.most ?? whole)) return fail(state, "unexpected");
  const repeating = state.received - offset;
  return {
    ...state,
    phase: "filling",
    answered: true,
    size: whole,
    validator,
    restarting: false,
    ended: false,
    repeating,
  };
}

function isOther(validator: string | undefined, known: string | undefined): boolean {
  return validator !== undefined && known !== undefined && validator !== known;
}

/** The offset that the next attempt asks for. */
export function askFrom(state: FlightState): number {
  return state.restarting ? 0 : state.received;
}

function received(state: FlightState, bytes: number): FlightState {
  if (state.phase !== "filling") return state;
  const total = state.received + bytes;
  if (total > (state.size ?? total)) return fail(state, "too-long");
  if (total > (state.most ?? total)) return fail(state, "unexpected");
  return { ...state, received: total };
}

function broke(state: FlightState, retries: number): FlightState {
  if (state.phase !== "asking" && state.phase !== "filling") return state;
  // Before its first answer, the upstream's refusal is the answer.
  if (!state.answered) return fail(state, "upstream");
  const breaks = state.received - state.brokeAt >= progress ? 1 : state.breaks + 1;
  if (breaks > retries) return fail(state, "upstream");
  return { ...state, phase: "asking", repeating: 0, breaks, brokeAt: state.received };
}

/** Whole on the spool: time to compare the hash. */
function settle(state: FlightState): FlightState {
  return state.phase === "filling" && state.ended && state.written === state.received
    ? { ...state, phase: "proving" }
    : state;
}

function show(state: FlightState): FlightState {
  const end = state.size === undefined ? state.written - heldBack : Math.min(state.written, state.size - heldBack);
  return end > state.visible ? { ...state, visible: end } : state;
}

function fail(state: FlightState, failure: FlightFailure): FlightState {
  return { ...state, phase: "failed", failure };
}

/** Whether a body that ended as it should brought less than it had to. */
export function endedShort(state: FlightState): boolean {
  return state.repeating > 0 || (state.size !== undefined && state.received < state.size);
}

/**
 * What a follower gets that asks for the bytes at a position. lost: without the disk, memory has let go of it. `remembered`: the first
 * position in memory.
 */
export function judgePull(
  state: FlightState,
  position: number,
  remembered = 0,
): "data" | "wait" | "end" | "failed" | "lost" {
  if (state.phase === "failed") return "failed";
  if (position < state.visible) {
    return position >= (state.spooled ?? state.visible) && position < remembered ? "lost" : "data";
  }
  return state.phase === "landed" ? "end" : "wait";
}
