/**
 * Participants whose join a server refused because it is full at the moment. They join again after pauses that grow.
 * @module
 */
// Numbers of `gifcue.v1.FaultCode`.
const TOO_MANY_PARTICIPANTS = 5;
const TOO_MANY_JOINS = 16;
// By chance up to this share shorter or longer, so that participants do not all come at once.
const JITTER = 0.25;

export class Rejoining {
  /**
   * @param {(participantId: string) => void} rejoin
   * @param {object} tuning milliseconds
   * @param {number} tuning.rejoinMs the first pause. They double after each refusal.
   * @param {number} tuning.maxRejoinMs
   */
  constructor(rejoin, { rejoinMs, maxRejoinMs }) {
    this.#rejoin = rejoin;
    this.#firstMs = rejoinMs;
    this.#maxMs = maxRejoinMs;
  }

  #rejoin;
  #firstMs;
  #maxMs;
  #refusals = new Map();
  #timers = new Map();
  // When those were refused that have left since. One of the same name may join only later, so that its refusal is heard.
  #leftMs = new Map();

  /** Whether a fault refuses a join that can be repeated. */
  static refuses({ code }) {
    return code === TOO_MANY_PARTICIPANTS || code === TOO_MANY_JOINS;
  }

  /** Whether a participant waits to join again. */
  has(participantId) {
    return this.#timers.has(participantId);
  }

  /** A participant that does not wait yet was refused. */
  add(participantId) {
    const before = this.#refusals.get(participantId) ?? 0;
    this.#refusals.set(participantId, before + 1);
    this.#waitFor(participantId, Math.min(this.#maxMs, this.#firstMs * 2 ** before) * (1 + JITTER * (2 * Math.random() - 1)));
  }

  /** A participant joins. Returns whether it waits: it does also where one of its name was refused and left a moment ago. */
  holds(participantId) {
    const pauseMs = this.#firstMs - (performance.now() - (this.#leftMs.get(participantId) ?? -Infinity));
    this.#leftMs.delete(participantId);
    if (pauseMs > 0 && !this.has(participantId)) this.#waitFor(participantId, pauseMs);
    return this.has(participantId);
  }

  /** A participant was refused that has left, or leaves. */
  refusedAfterLeave(participantId) {
    const now = performance.now();
    for (const [id, leftMs] of this.#leftMs) if (now - leftMs > this.#firstMs) this.#leftMs.delete(id);
    this.#leftMs.set(participantId, now);
  }

  /** A participant has left. */
  forget(participantId) {
    if (this.has(participantId)) this.refusedAfterLeave(participantId);
    clearTimeout(this.#timers.get(participantId));
    this.#timers.delete(participantId);
    this.#refusals.delete(participantId);
  }

  /** The connection is gone, or takes no joins: on the next one, everybody joins anew. */
  clear() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#refusals.clear();
    this.#leftMs.clear();
  }

  #waitFor(participantId, pauseMs) {
    this.#timers.set(participantId, setTimeout(() => {
      this.#timers.delete(participantId);
      this.#rejoin(participantId);
    }, pauseMs));
  }
}
