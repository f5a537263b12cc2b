/** A flight's end that is no answer: its content was adopted between a look and its start, or its leader is gone. Who can, looks again. */
export class LookAgain extends Error {}
