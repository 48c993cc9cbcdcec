/**
 * The messages of the wire that a tap needs, encoded and decoded without a library. A test compares the tables with
 * protos/gifcue/v1. Messages have the form that `ReactionStream` takes: a oneof is `{ case, value }`, numbers of 64 bits that
 * are sent may be BigInt, and numbers that are received are numbers.
 * @module
 */

/** Numbers of `gifcue.v1.Codec`. */
export const Codec = Object.freeze({ H264: 1, H265: 2, VP8: 3, VP9: 4, AV1: 5 });
/** Numbers of `gifcue.v1.Phase`. */
export const Phase = Object.freeze({ HOLDING: 1, STARTED: 2, ENDED: 3, CANCELLED: 4 });

const LIST = 'list';
const PRESENT = 'present'; // sent also where it has its default value

// Each field: its number, its name, its type (a scalar or another message), and LIST, PRESENT or the oneof it belongs to.
const FRAME = [
  [1, 'participantId', 'string'], [2, 'sequence', 'int'], [3, 'pts', 'int'], [4, 'clockHz', 'int'], [5, 'keyframe', 'bool'],
  [6, 'payload', 'bytes'], [7, 'rotation', 'int'], [8, 'temporalLayer', 'int', PRESENT],
];
const RULES = [[1, 'ruleId', 'string'], [2, 'remainingMs', 'int']];
const STATE = [
  [1, 'running', [[1, 'reactionId', 'string'], [2, 'label', 'string'], [3, 'ageMs', 'int']], LIST],
  [2, 'cooldowns', [[1, 'label', 'string'], [2, 'remainingMs', 'int']], LIST], [3, 'gifCooldowns', RULES, LIST],
];
const JOIN = [[1, 'codec', 'int'], [2, 'extradata', 'bytes'], [3, 'allowedLabels', 'string', LIST], [4, 'resume', STATE]];
const UPDATE = [
  [1, 'participantId', 'string'],
  [2, 'join', JOIN, 'update'],
  [3, 'speaking', [[1, 'speaking', 'bool']], 'update'],
  [4, 'allowed', [[1, 'labels', 'string', LIST]], 'update'],
  [5, 'leave', [], 'update'],
  [6, 'dismiss', [[1, 'reactionId', 'string']], 'update'],
];
const CONFIG = [
  [1, 'roomId', 'string'], [2, 'clientName', 'string'], [3, 'preset', 'string'], [4, 'sendHolding', 'bool'],
  [11, 'resume', [[1, 'gifCooldowns', RULES, LIST]]],
];
const LIMITS = [
  [2, 'maxFrameBytes', 'int'], [4, 'maxFps', 'int'], [6, 'idleTimeoutMs', 'int'], [7, 'maxMessageBytes', 'int'],
  [8, 'maxFramesPerMessage', 'int'], [10, 'heartbeatIntervalMs', 'int'],
];
const READY = [
  [1, 'limits', LIMITS], [3, 'reactionLabels', 'string', LIST], [4, 'serverVersion', 'string'], [7, 'gifBaseUrl', 'string'],
  [8, 'features', 'string', LIST],
];
const GIF = [[1, 'gifId', 'string'], [2, 'url', 'string'], [3, 'title', 'string'], [4, 'mediaType', 'string'], [6, 'ruleId', 'string']];
const REACTION = [
  [1, 'participantId', 'string'], [2, 'reactionId', 'string'], [3, 'phase', 'int'], [4, 'label', 'string'],
  [5, 'progress', 'float'], [6, 'score', 'float'], [13, 'gif', GIF], [14, 'gifReason', 'string'], [15, 'endReason', 'string'],
  [16, 'cooldownMs', 'int'], [17, 'roomCooldownMs', 'int'], [18, 'gifCooldownMs', 'int'],
];
const CONTROL = [
  [1, 'keyframe', [[1, 'participantId', 'string'], [2, 'reason', 'string']], 'control'],
  [2, 'slowDown', [[1, 'participantId', 'string'], [2, 'maxFps', 'float'], [3, 'reason', 'string']], 'control'],
  [3, 'drain', [[1, 'deadlineMs', 'int']], 'control'],
];
const FAULT = [
  [1, 'participantId', 'string'], [2, 'code', 'int'], [3, 'message', 'string'], [4, 'sequence', 'int'], [5, 'count', 'int'],
];

/** `StreamReactionsRequest`, and the messages in it. */
export const REQUEST = Object.freeze([
  [1, 'config', CONFIG, 'message'], [2, 'participant', UPDATE, 'message'], [3, 'frame', FRAME, 'message'],
  [5, 'frames', [[1, 'frames', FRAME, LIST]], 'message'],
]);
/** `StreamReactionsResponse`, and the messages in it. */
export const RESPONSE = Object.freeze([
  [1, 'ready', READY, 'message'], [2, 'reaction', REACTION, 'message'], [3, 'control', CONTROL, 'message'],
  [5, 'fault', FAULT, 'message'], [7, 'heartbeat', [], 'message'],
]);

// How protobuf encodes a field.
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
const utf8 = new TextEncoder();
const text = new TextDecoder();

const isOneof = (mark) => mark !== undefined && mark !== LIST && mark !== PRESENT;
const isMessage = (type) => Array.isArray(type);

// Encoding. Each function appends chunks to `out` and returns how many bytes they have.

function putVarint(out, value) {
  // A negative number of 64 bits takes ten bytes.
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes = [];
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest);
  out.push(bytes);
  return bytes.length;
}

function putBytes(out, number, bytes) {
  const head = putVarint(out, number << 3 | BYTES) + putVarint(out, bytes.length);
  out.push(bytes);
  return head + bytes.length;
}

function putField(out, number, type, value) {
  if (isMessage(type)) {
    const inner = [];
    const length = putMessage(inner, type, value);
    const head = putVarint(out, number << 3 | BYTES) + putVarint(out, length);
    out.push(...inner);
    return head + length;
  }
  switch (type) {
    case 'string': return putBytes(out, number, utf8.encode(value));
    case 'bytes': return putBytes(out, number, value);
    default: return putVarint(out, number << 3 | VARINT) + putVarint(out, value); // nothing that is sent is a float
  }
}

const isDefault = (type, value) => value === undefined || value === null
  || (!isMessage(type) && (type === 'bytes' ? value.length === 0 : !value));

function putMessage(out, fields, message) {
  let length = 0;
  for (const [number, name, type, mark] of fields) {
    if (mark === LIST) {
      for (const each of message[name] ?? []) length += putField(out, number, type, each);
    } else if (isOneof(mark)) {
      if (message[mark]?.case === name) length += putField(out, number, type, message[mark].value);
    } else if (mark === PRESENT ? message[name] !== undefined : !isDefault(type, message[name])) {
      length += putField(out, number, type, message[name]);
    }
  }
  return length;
}

function encodeAs(fields, message) {
  const chunks = [];
  const bytes = new Uint8Array(putMessage(chunks, fields, message));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

// Decoding

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  get isAtEnd() {
    return this.at >= this.bytes.length;
  }

  varint() {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.isAtEnd) break;
      const byte = this.bytes[this.at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('expected a varint, got the end of the message or more than ten bytes');
  }

  take(length) {
    if (length > this.bytes.length - this.at) {
      throw new RangeError(`expected ${length} bytes, got the end of the message after ${this.bytes.length - this.at}`);
    }
    return this.bytes.subarray(this.at, this.at += length);
  }

  float() {
    const bytes = this.take(4);
    return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
  }

  /** Skips a field that no table names. */
  skip(kind) {
    if (kind === VARINT) this.varint();
    else if (kind === FIXED64) this.take(8);
    else if (kind === BYTES) this.take(this.varint());
    else if (kind === FIXED32) this.take(4);
    else throw new RangeError(`expected a wire type of 0, 1, 2 or 5, got ${kind}`);
  }

  value(type) {
    if (isMessage(type)) return decodeAs(type, this.take(this.varint()));
    switch (type) {
      case 'string': return text.decode(this.take(this.varint()));
      case 'bytes': return this.take(this.varint());
      case 'float': return this.float();
      case 'bool': return this.varint() !== 0;
      default: return this.varint();
    }
  }
}

const kindOf = (type) => (isMessage(type) || type === 'string' || type === 'bytes' ? BYTES : type === 'float' ? FIXED32 : VARINT);
const DEFAULTS = { string: '', bytes: new Uint8Array(), bool: false, int: 0, float: 0 };

function decodeAs(fields, bytes) {
  const message = {};
  for (const [, name, type, mark] of fields) {
    if (mark === LIST) message[name] = [];
    else if (isOneof(mark)) message[mark] = { case: undefined, value: undefined };
    else if (mark !== PRESENT && !isMessage(type)) message[name] = DEFAULTS[type];
  }
  const reader = new Reader(bytes);
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    const [number, kind] = [Math.floor(tag / 8), tag % 8];
    const [, name, type, mark] = fields.find(([each]) => each === number) ?? [];
    // A field of another type than expected is a field that this client does not know.
    if (name === undefined || kind !== kindOf(type)) {
      reader.skip(kind);
      continue;
    }
    const value = reader.value(type);
    if (mark === LIST) message[name].push(value);
    else if (isOneof(mark)) message[mark] = { case: name, value };
    else message[name] = value;
  }
  return message;
}

/** @type {import('../js/stream.js').Wire} */
export const wire = Object.freeze({
  encode: (message) => encodeAs(REQUEST, { message }),
  decode: (bytes) => decodeAs(RESPONSE, bytes).message,
});
