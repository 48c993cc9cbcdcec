/**
 * Names of gestures, and which hand a box belongs to.
 * @module
 */

const MAX_LABEL = 32;

/** The label of a name: "Peace sign" becomes "peace_sign"; "" where none is left. */
export function labelOf(name) {
  const plain = name.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  return plain.replace(/[^a-z0-9]+/g, '_').replace(/^[_0-9]+|_+$/g, '').slice(0, MAX_LABEL).replace(/_+$/, '');
}

/**
 * The hand whose middle is nearest to that of a box; undefined without hands.
 * @param {import('./api.js').Hand[]} hands
 * @param {{xmin: number, xmax: number, ymin: number, ymax: number} | undefined} box
 */
export function handOf(hands, box) {
  if (!box) return hands[0];
  const far = ({ box: [ymin, xmin, ymax, xmax] }) => Math.hypot(xmin + xmax - box.xmin - box.xmax, ymin + ymax - box.ymin - box.ymax);
  return [...hands].sort((one, other) => far(one) - far(other))[0];
}
