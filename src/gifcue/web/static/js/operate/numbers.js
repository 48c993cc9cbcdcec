/**
 * Numbers as people read them.
 * @module
 */

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const ONE = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** @param {number | string} value */
export const whole = (value) => WHOLE.format(Number(value));

/** One decimal below 100, none above. @param {number} value */
export const short = (value) => (Math.abs(value) < 99.95 ? ONE : WHOLE).format(value);

/** @param {number} part 0..1 */
export const percent = (part) => `${short(part * 100)} %`;

/** @param {number | string} bytes */
export function size(bytes) {
  const mebibytes = Number(bytes) / 2 ** 20;
  return mebibytes < 1024 ? `${WHOLE.format(mebibytes)} MiB` : `${ONE.format(mebibytes / 1024)} GiB`;
}

/** @param {number} seconds */
export function span(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return `${Math.floor(seconds)} s`;
  if (minutes < 60) return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The sum of a map of counts. @param {Record<string, string | number>} counts */
export const sum = (counts) => Object.values(counts).reduce((total, count) => total + Number(count), 0);

/**
 * The entries of a map of counts that are not 0, the largest first.
 * @param {Record<string, string | number>} counts
 * @returns {[string, number][]}
 */
export const entries = (counts) => Object.entries(counts)
  .map(([name, count]) => /** @type {[string, number]} */ ([name, Number(count)]))
  .filter(([, count]) => count > 0)
  .sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
