/**
 * What the page says, in words.
 * @module
 */

/** A label as people read it. */
export function labelText(label) {
  const text = label.replaceAll('_', ' ');
  return text === 'ok hand' ? 'OK hand' : text.charAt(0).toUpperCase() + text.slice(1);
}

const HOW = {
  smile: 'Smile for about a second.',
  thinking: 'Rest your chin on your hand, and look thoughtful.',
  wave: 'Wave an open palm from side to side.',
  ok_hand: 'Make a ring of thumb and index finger, the other fingers up.',
  thumbs_up: 'Show a fist with the thumb up.',
  thumbs_down: 'Show a fist with the thumb down.',
  rock: 'Show index and little finger, the others folded.',
  call_me: 'Show thumb and little finger, the others folded.',
  raised_hand: 'Raise an open hand beside your face, and keep it still.',
};

/** How a reaction is made. */
export const howTo = (label) => HOW[label] ?? 'Show the gesture as it was taught, and hold it.';

const share = (value) => `${Math.round(100 * value)} %`;
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

// What each condition of the reaction policy says while it is not met. The values have the units of the wire.
const CONDITIONS = {
  late: () => 'This picture came later than a newer one.',
  cooldown: (value) => `It was shown a moment ago. It can start again in ${seconds(value)}.`,
  speaking: () => 'Hand gestures wait while you speak.',
  already_shown: () => 'It was there when the video began. Stop showing it, then show it again.',
  no_region: (value, needed) => `No face or hand is clear enough: ${share(value)}, needs ${share(needed)}.`,
  subject: () => 'It belongs to somebody else in the picture.',
  score: (value, needed) => `Not clear enough: ${share(value)}, needs ${share(needed)}.`,
  top_label: (value, needed) => `Something else is clearer: ${share(value)} against ${share(needed)}.`,
  speed: () => 'It moves too fast. Hold still.',
  hand_at_face: () => 'No hand is at the chin or cheek.',
  face_cover: () => 'The hand covers too much of the face.',
  height: () => 'The hand is too low. Raise it to the height of your face.',
  still: () => 'The hand moves from side to side. Hold it still.',
  stale: () => 'It has been there for too long. Relax, then show it again.',
  motion: (value, needed) => `${Math.round(value)} of ${Math.round(needed)} swings from side to side.`,
  hold: (value, needed) => `Held for ${seconds(value)} of ${seconds(needed)}.`,
  frames: (value, needed) => `Shown in ${Math.round(value)} of ${Math.round(needed)} pictures.`,
  analysed_frames: (value, needed) => `Seen in ${Math.round(value)} of ${Math.round(needed)} analysed pictures.`,
  frame_share: (value, needed) => `Shown in ${share(value)} of the pictures, needs ${share(needed)}.`,
};

/** Why a label has not become a reaction. */
export function conditionText({ condition, value, needed }) {
  return CONDITIONS[condition]?.(value, needed) ?? `${condition}: ${value.toFixed(2)}, needs ${needed.toFixed(2)}.`;
}

/** Why a reaction has no GIF. */
export const withheldText = (reason) => `Recognised. The rules chose no GIF${reason ? `: ${reason.replaceAll('_', ' ')}` : ''}.`;

const REASONS = {
  similar: 'like the one before', paced: 'more than needed', no_picture: 'no picture by itself',
  awaiting_keyframe: 'waits for a keyframe', not_allowed: 'nothing is allowed', rate_limit: 'too many a second',
  overload: 'the server is busy', superseded: 'a newer one came', sequence_gap: 'one before it is missing',
  network: 'the network is slow', encoder: 'the browser is busy', pace: 'more than the server takes',
};

/** A reason for which a frame was skipped or dropped. */
export const reasonText = (reason) => REASONS[reason] ?? reason.replaceAll('_', ' ');

/** What a state of the connection means, and what to do. */
export function connectionText({ name, status }) {
  switch (name) {
    case 'connecting': return 'Connecting to the server';
    case 'ready': return 'Connected';
    case 'waiting': return status.details ? `No connection: ${status.details}. Trying again` : 'No connection to the server. Trying again';
    default: return 'Disconnected';
  }
}
