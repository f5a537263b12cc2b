/** A flight's end where its content was adopted between a look and its start: look again. */
export class AlreadyHeld extends Error {}
