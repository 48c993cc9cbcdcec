/**
 * The figures of the last minutes, kept in the memory of the page.
 * @module
 */
import { sum } from './numbers.js';

// Samples that are kept: ten minutes at one a second.
const KEPT = 600;
// Seconds that a rate is averaged over.
const RATE_S = 5;

/**
 * One sample. Counts are since the start of the server.
 * @typedef {object} Sample
 * @property {number} at seconds since 1970
 * @property {number} received
 * @property {number} analysed
 * @property {number} skipped
 * @property {number} dropped
 * @property {number} cpuS CPU time of all processes
 * @property {number} participants
 * @property {number} streams
 * @property {number} p50 milliseconds
 * @property {number} p95 milliseconds
 */

/** @returns {Sample} */
function sampleOf(status, at) {
  const { books, workers, process } = status;
  return {
    at,
    received: Number(books.received),
    analysed: Number(books.analysed),
    skipped: sum(books.skipped),
    dropped: sum(books.dropped),
    cpuS: workers.reduce((total, worker) => total + (worker.process?.cpuS ?? 0), process.cpuS),
    participants: status.participants,
    streams: status.streams,
    p50: status.latencyP50Ms,
    p95: status.latencyP95Ms,
  };
}

/** Newest last. */
export class History {
  /** @type {Sample[]} */
  #samples = [];
  #uptimeS = 0;

  /**
   * @param {object} status the answer of GetStatus
   * @param {number} at seconds since 1970
   */
  add(status, at) {
    // A server that was restarted counts from 0 again.
    if (status.uptimeS < this.#uptimeS) this.#samples = [];
    this.#uptimeS = status.uptimeS;
    this.#samples.push(sampleOf(status, at));
    if (this.#samples.length > KEPT) this.#samples.shift();
  }

  /** How much a count grew a second, over the last seconds. @param {keyof Sample} name */
  rate(name) {
    const last = this.#samples.at(-1);
    const before = this.#samples.findLast((sample) => sample.at <= (last?.at ?? 0) - RATE_S) ?? this.#samples[0];
    if (!last || !before || last.at === before.at) return 0;
    return Math.max(0, (last[name] - before[name]) / (last.at - before.at));
  }

  /** Times, for a chart. */
  times() {
    return this.#samples.map((sample) => sample.at);
  }

  /** The values of one figure, for a chart. @param {keyof Sample} name */
  values(name) {
    return this.#samples.map((sample) => sample[name]);
  }

  /** How much a count grew a second, from each sample to the next, for a chart. @param {keyof Sample} name */
  rates(name) {
    return this.#samples.map((sample, index) => {
      const before = this.#samples[index - 1];
      return before && sample.at > before.at ? Math.max(0, (sample[name] - before[name]) / (sample.at - before.at)) : null;
    });
  }
}
