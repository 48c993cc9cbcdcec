/**
 * Which participants the server of a connection has, as far as its faults tell. Those whose join it refused because it is full at
 * the moment join again after pauses that grow.
 * @module
 */
// Numbers of `gifcue.v1.FaultCode`.
const UNKNOWN_PARTICIPANT = 1;
// TOO_MANY_PARTICIPANTS and TOO_MANY_JOINS.
const FULL = new Set([5, 16]);
// UNSUPPORTED_CODEC and INVALID_EXTRADATA: the same join would be refused again.
const FINAL = new Set([2, 3]);
// By chance up to this share shorter or longer, so that participants do not all come at once.
const JITTER = 0.2;

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
  // By name: how many of the joins that were sent are not refused, and the number of the first frame after the last one.
  #joins = new Map();
  #refusals = new Map();
  #timers = new Map();
  #final = new Set();
  // Those whose last join of the caller was sent again.
  #repeated = new Set();
  // When names were refused. Another join waits a moment, so that its refusal is heard.
  #refusedMs = new Map();

  /** Whether no frame of a participant is of use: it waits to join again, or must join otherwise. */
  has(participantId) {
    return this.#timers.has(participantId) || this.#final.has(participantId);
  }

  /** Whether the server has a participant of this name. One whose second join was refused stays as the first one made it. */
  isKnown(participantId) {
    return (this.#joins.get(participantId)?.count ?? 0) > 0;
  }

  /**
   * A join is sent.
   * @param {string} participantId
   * @param {bigint} sequence of the first frame after it
   */
  sent(participantId, sequence) {
    const count = (this.#joins.get(participantId)?.count ?? 0) + 1;
    this.#joins.set(participantId, { count, sequence });
    this.#final.delete(participantId);
  }

  /**
   * The server reported a fault. Returns whether it refuses a join of a participant.
   * @param {{participantId: string, code: number, sequence: bigint | number}} fault
   */
  heard({ participantId, code, sequence }) {
    const join = this.#joins.get(participantId);
    const wasRefused = this.has(participantId);
    const isRefusal = FULL.has(code) || FINAL.has(code);
    if (isRefusal) this.#noteRefused(participantId);
    if (!join) return false;
    if (isRefusal) join.count = Math.max(0, join.count - 1);
    else if (code === UNKNOWN_PARTICIPANT && (wasRefused || sequence >= join.sequence)) {
      join.count = 0; // the server does not report each refusal, nor does every code belong to joins alone
    } else return false;
    if (wasRefused) return true;
    // The refusal of the join before may be heard only now. A join that is wrong itself is refused once more.
    const mayBeLate = join.count > 0 && !this.#repeated.has(participantId);
    if (FINAL.has(code) && !mayBeLate) this.#final.add(participantId);
    else this.#wait(participantId);
    return true;
  }

  /** The caller has a participant join. Returns whether it waits: it does also where one of its name was refused a moment ago. */
  holds(participantId) {
    this.#repeated.delete(participantId);
    const pauseMs = this.#firstMs - (performance.now() - (this.#refusedMs.get(participantId) ?? -Infinity));
    if (pauseMs > 0 && !this.#timers.has(participantId)) this.#waitFor(participantId, pauseMs);
    return this.#timers.has(participantId);
  }

  /** A participant has left. */
  forget(participantId) {
    clearTimeout(this.#timers.get(participantId));
    for (const each of [this.#joins, this.#timers, this.#refusals, this.#final, this.#repeated]) each.delete(participantId);
  }

  /** The connection takes no more joins. */
  stop() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const each of [this.#timers, this.#refusals, this.#final, this.#repeated, this.#refusedMs]) each.clear();
  }

  /** The connection is gone: on the next one, everybody joins anew. */
  clear() {
    this.stop();
    this.#joins.clear();
  }

  #wait(participantId) {
    const before = this.#refusals.get(participantId) ?? 0;
    this.#refusals.set(participantId, before + 1);
    this.#repeated.add(participantId);
    this.#waitFor(participantId, Math.min(this.#maxMs, this.#firstMs * 2 ** before) * (1 + JITTER * (2 * Math.random() - 1)));
  }

  #waitFor(participantId, pauseMs) {
    this.#timers.set(participantId, setTimeout(() => {
      this.#timers.delete(participantId);
      this.#rejoin(participantId);
    }, pauseMs));
  }

  #noteRefused(participantId) {
    const now = performance.now();
    for (const [id, atMs] of this.#refusedMs) if (now - atMs > this.#firstMs) this.#refusedMs.delete(id);
    this.#refusedMs.set(participantId, now);
  }
}
