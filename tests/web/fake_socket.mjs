// A WebSocket without a network, and the server's side of the wire.
import { pathToFileURL } from 'node:url';

/** The folder of the static files, as `import` takes it. */
export const folder = pathToFileURL(`${process.argv[2]}/`);
export const load = (path) => import(new URL(path, folder));

// The server's side is always that of the vendored library.
export const { FaultCode, Phase, StreamReactionsRequestSchema, StreamReactionsResponseSchema, create, fromBinary, toBinary } =
  await load('vendor/wire.js');

/** Every socket so far. */
export const sockets = [];

export class FakeSocket {
  readyState = 1;
  bufferedAmount = 0;
  sent = [];
  constructor() {
    sockets.push(this);
    queueMicrotask(() => this.onopen());
  }
  send(data) { this.sent.push(fromBinary(StreamReactionsRequestSchema, new Uint8Array(data)).message); }
  close() {}
  say(message) { this.onmessage({ data: toBinary(StreamReactionsResponseSchema, create(StreamReactionsResponseSchema, { message })).buffer }); }
  ready(fields = {}) { this.say({ case: 'ready', value: { features: ['resume'], reactionLabels: ['smile'], limits, ...fields } }); }
  drain(deadlineMs = 60_000) { this.say({ case: 'control', value: { control: { case: 'drain', value: { deadlineMs } } } }); }
  react(fields) { this.say({ case: 'reaction', value: { participantId: 'ada', label: 'smile', ...fields } }); }
  fault(code, fields = {}) { this.say({ case: 'fault', value: { participantId: 'ada', code, count: 1, ...fields } }); }
}

export const limits = { maxFrameBytes: 1000, maxMessageBytes: 10_000, maxFramesPerMessage: 10 };

const PATIENCE_MS = 20_000;

/** Waits until a condition holds. */
export const until = (holds) => new Promise((resolve, reject) => {
  const endMs = performance.now() + PATIENCE_MS;
  const look = () => {
    if (holds()) queueMicrotask(resolve);
    else if (performance.now() > endMs) reject(new Error(`expected ${holds} in time`));
    else setTimeout(look, 1);
  };
  look();
});
/** Waits for the socket with this number, counted from 1. */
export const opened = async (count) => {
  await until(() => sockets.length >= count);
  return sockets[count - 1];
};
/** The socket that was made last, once it is open. */
export const newest = async () => {
  await null;
  return sockets.at(-1);
};
/** The updates that a socket sent: "join ada". */
export const updatesOf = ({ sent }) => sent.filter((each) => each.case === 'participant')
  .map(({ value }) => `${value.update.case} ${value.participantId}`);
