/**
 * Frame accounting: what became of the frames that the server received.
 * @module
 */

/**
 * @typedef {object} Counts
 * @property {number} received
 * @property {number} analysed
 * @property {Record<string, number>} skipped by reason
 * @property {Record<string, number>} dropped by reason
 * @property {number} inFlight frames without an outcome yet
 */

const plain = (counts) => Object.fromEntries(Object.entries(counts).map(([reason, count]) => [reason, Number(count)]));

/**
 * The counts of `FrameBooks`.
 * @returns {Counts}
 */
export function countsOf(books) {
  return {
    received: Number(books.received), analysed: Number(books.analysed),
    skipped: plain(books.skipped), dropped: plain(books.dropped), inFlight: Number(books.inFlight),
  };
}

/**
 * What was counted after `before`. Reasons without a frame are left out.
 * @param {Counts} now
 * @param {Counts | null} before null: everything
 * @returns {Counts}
 */
export function since(now, before) {
  if (!before) return now;
  const each = (kind) => Object.fromEntries(
    Object.entries(now[kind])
      .map(([reason, count]) => [reason, count - (before[kind][reason] ?? 0)])
      .filter(([, count]) => count > 0));
  return {
    received: now.received - before.received, analysed: now.analysed - before.analysed,
    skipped: each('skipped'), dropped: each('dropped'), inFlight: now.inFlight,
  };
}

/** All reasons together. */
export const sum = (byReason) => Object.values(byReason).reduce((total, count) => total + count, 0);
