/**
 * The messages of the wire for pages, with the vendored protobuf library.
 * @module
 */
import {
  StreamReactionsRequestSchema as Request, StreamReactionsResponseSchema as Response, create, fromBinary, toBinary,
} from '../vendor/wire.js';

export { Codec, FaultCode, Phase } from '../vendor/wire.js';

/** @type {import('./stream.js').Wire} */
export const wire = Object.freeze({
  encode: (message) => toBinary(Request, create(Request, { message })),
  decode: (bytes) => fromBinary(Response, bytes).message,
});
