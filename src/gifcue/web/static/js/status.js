/**
 * The gRPC status that a stream over WebSocket ends with: close code 4000 plus the number of the status.
 * @module
 */

/** Numbers of gRPC statuses. */
export const Code = Object.freeze({
  OK: 0, CANCELLED: 1, UNKNOWN: 2, INVALID_ARGUMENT: 3, DEADLINE_EXCEEDED: 4, NOT_FOUND: 5, ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7, RESOURCE_EXHAUSTED: 8, FAILED_PRECONDITION: 9, ABORTED: 10, OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12, INTERNAL: 13, UNAVAILABLE: 14, DATA_LOSS: 15, UNAUTHENTICATED: 16,
});

const NAMES = Object.keys(Code);
const BASE = 4000;
// After these, another attempt cannot help: the same messages would be refused again.
const FINAL = new Set([
  Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.ALREADY_EXISTS, Code.PERMISSION_DENIED, Code.FAILED_PRECONDITION,
  Code.OUT_OF_RANGE, Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAUTHENTICATED,
]);

/**
 * How a stream ended.
 * @typedef {object} Status
 * @property {number} code one of `Code`
 * @property {string} name its name, such as "UNAVAILABLE"
 * @property {string} details what the server says, "" where it says nothing
 * @property {number} retryAfterMs milliseconds until the server wants to hear of this client again, 0 where it names none
 * @property {boolean} canRetry whether another attempt can help
 */

/**
 * The status of a close event. A connection that broke, or was never made, counts as UNAVAILABLE.
 * @param {{code: number, reason: string}} event
 * @returns {Status}
 */
export function statusOf({ code, reason }) {
  if (code < BASE || code >= BASE + NAMES.length) {
    return { code: Code.UNAVAILABLE, name: 'UNAVAILABLE', details: reason, retryAfterMs: 0, canRetry: true };
  }
  const number = code - BASE;
  // A refusal begins with the milliseconds after which to come back.
  const [, wait, details] = /^(?:(\d{1,9}) )?(.*)$/s.exec(reason) ?? [];
  return {
    code: number, name: NAMES[number], details: details ?? '', retryAfterMs: Number(wait ?? 0), canRetry: !FINAL.has(number),
  };
}
