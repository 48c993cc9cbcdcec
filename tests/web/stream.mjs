// What the client of the pages sends, and what it leaves out. Prints it as JSON, by case.
// Usage: node stream.mjs FOLDER WIRE, the folder of the static files and the module in it that encodes messages
import { FakeSocket, FaultCode, Phase, limits, load, newest, opened, sockets, until, updatesOf } from './fake_socket.mjs';

globalThis.WebSocket = FakeSocket; // of the sessions and rooms that make their own streams
const { ReactionStream } = await load('js/stream.js');
const { Room } = await load('js/live/room.js');
const { Participant } = await load('js/live/participant.js');
const { Latency } = await load('js/live/latency.js');
const { Session } = await load('tap/session.js');
const { wire } = await load(process.argv[3]);

const results = {};
const payload = new Uint8Array(1);

// Milliseconds by which the clock is ahead of its time.
let aheadMs = 0;
const now = performance.now.bind(performance);
performance.now = () => now() + aheadMs;

/** A stream with its first socket, which is ready, and the phases that its page gets. */
async function open({ ready = {}, tuning = {} } = {}) {
  const events = [];
  const stream = new ReactionStream({
    wire, url: 'ws://gifcue.test/stream', config: {}, tuning: { firstBackoffMs: 1, rejoinMs: 10, batchMs: 0, ...tuning },
    on: { reaction: ({ phase, reactionId, endReason }) => events.push([Phase[phase], reactionId, endReason]) },
  });
  stream.join('ada', { codec: 1, labels: ['smile'] });
  const socket = await newest();
  socket.ready(ready);
  const send = (id = 'ada') => stream.sendFrame(id, { timestampUs: 0, keyframe: true, payload }) !== null;
  return { stream, socket, events, send };
}

{ // A refusal that the server did not report: it says so of the frames that follow.
  const { stream, socket, send } = await open();
  const isSent = [send()];
  socket.fault(FaultCode.UNKNOWN_PARTICIPANT, { sequence: 0n });
  isSent.push(send());
  await until(() => updatesOf(socket).length > 1);
  socket.fault(FaultCode.UNKNOWN_PARTICIPANT, { sequence: 0n }); // of the frame before
  isSent.push(send());
  socket.fault(FaultCode.UNKNOWN_PARTICIPANT, { sequence: 1n });
  isSent.push(send());
  stream.close();
  results.unheard = { isSent, updates: updatesOf(socket) };
}

{ // A join that would be refused again waits for another one, which waits a moment. The other participant joins again by itself.
  const { stream, socket, send } = await open({ tuning: { rejoinMs: 50 } });
  stream.join('bob', { codec: 1, labels: ['smile'] });
  socket.fault(FaultCode.INVALID_EXTRADATA);
  socket.fault(FaultCode.TOO_MANY_JOINS, { participantId: 'bob' });
  const isSent = [send()];
  stream.join('ada', { codec: 3, labels: ['smile'] });
  isSent.push(send());
  await until(() => updatesOf(socket).length > 3);
  isSent.push(send(), send('bob'));
  stream.close();
  results.final = { isSent, updates: updatesOf(socket).sort() };
}

{ // A refusal may be of the join before, so the join is sent once more. One that is wrong itself is refused again.
  const isSent = [];
  const sent = [];
  for (const isWrong of [false, true]) {
    const { stream, socket, send } = await open();
    stream.join('ada', { codec: 3, labels: ['smile'] });
    socket.fault(FaultCode.UNSUPPORTED_CODEC);
    isSent.push(send());
    await until(() => updatesOf(socket).length > 2);
    if (isWrong) socket.fault(FaultCode.UNSUPPORTED_CODEC);
    isSent.push(send());
    stream.close();
    sent.push(updatesOf(socket).length);
  }
  results.late = { isSent, sent };
}

{ // While the second join waits, the server says that it has not taken the first one either: what that carried ends.
  const { stream, socket, events, send } = await open();
  socket.react({ reactionId: 'r1', phase: Phase.STARTED });
  send();
  stream.join('ada', { codec: 3, labels: ['smile'] });
  socket.fault(FaultCode.TOO_MANY_JOINS);
  const before = events.length;
  socket.fault(FaultCode.UNKNOWN_PARTICIPANT, { sequence: 0n });
  results.waiting = [before, events.at(-1)];
  stream.close();
}

{ // The numbers go on where one of the same name joins again: a fault of a frame before is not of its join.
  const { stream, socket, send } = await open();
  send();
  stream.leave('ada');
  stream.join('ada', { codec: 1, labels: ['smile'] });
  socket.fault(FaultCode.UNKNOWN_PARTICIPANT, { sequence: 0n });
  results.numbers = String(stream.sendFrame('ada', { timestampUs: 0, keyframe: true, payload }));
  stream.close();
}

{ // A page that closes its stream as soon as it is ready: no timer is left, with which Node would not end.
  for (const handler of ['ready', 'state']) {
    const stream = new ReactionStream({
      wire, url: 'ws://gifcue.test/stream', config: {},
      on: { [handler]: (value) => { if (value.name !== 'connecting' && value.name !== 'ended') stream.close(); } },
    });
    stream.join('ada', { codec: 1, labels: ['smile'] });
    const socket = await newest();
    socket.ready({ limits: { ...limits, idleTimeoutMs: 6 } });
    (results.closed ??= []).push(updatesOf(socket));
  }
}

{ // The server does not have this participant: it is told nothing of it.
  const { stream, socket, events } = await open({ ready: { features: ['resume', 'dismiss'] } });
  socket.react({ reactionId: 'r1', phase: Phase.STARTED });
  socket.fault(FaultCode.TOO_MANY_PARTICIPANTS);
  stream.allow('ada', []);
  stream.speak('ada', true);
  stream.dismiss('ada', 'r1');
  stream.leave('ada');
  stream.close();
  results.refused = { updates: updatesOf(socket), events };
}

{ // A second join was refused: the server still has the first one, with its reaction.
  const { stream, socket, events, send } = await open({ ready: { features: ['dismiss'] } });
  socket.react({ reactionId: 'r1', phase: Phase.STARTED });
  stream.join('ada', { codec: 3, labels: ['smile'] });
  socket.fault(FaultCode.UNSUPPORTED_CODEC);
  const isSent = send();
  stream.allow('ada', []);
  stream.dismiss('ada', 'r1');
  stream.leave('ada');
  stream.close();
  results.second = { isSent, updates: updatesOf(socket), events };
}

{ // A server without dismissals would take one for an empty message, and end the stream.
  const { stream, socket } = await open();
  stream.dismiss('ada', 'r1');
  stream.close();
  results.dismissals = updatesOf(socket);
}

{ // The deadline of a drain is when the server ends the stream, not when the client stops reading.
  const { stream, socket, events } = await open();
  socket.drain(0);
  await new Promise((resolve) => { setTimeout(resolve, 2); }); // behind any timer of the deadline
  socket.react({ reactionId: 'r1', phase: Phase.STARTED });
  socket.onclose({ code: 4000, reason: '' });
  stream.close();
  results.drain = events;
}

{ // A server that sends nothing, and ends what is idle.
  const { stream, socket } = await open({ ready: { limits: { ...limits, idleTimeoutMs: 6 } } });
  const alive = () => socket.sent.filter((each) => each.case === 'frames' && each.value.frames.length === 0);
  await until(() => alive().length > 1);
  stream.close();
  results.alive = true;
}

{ // A server that knows no message of several frames takes an empty one for a defect.
  const { stream, socket } = await open({ ready: { limits: { ...limits, idleTimeoutMs: 6, maxFramesPerMessage: 0 } } });
  aheadMs += 100;
  socket.say({ case: 'heartbeat', value: {} }); // each message looks as well
  stream.close();
  results.still = socket.sent.map((each) => each.case);
}

{ // The live page keeps a GIF over a move.
  const room = new Room({ url: 'ws://gifcue.test/stream', roomId: '', onChange() {}, onAnnounce() {} });
  const ada = new Participant({ id: 'ada', name: 'Ada', source: { stop() {} }, stream: room.stream, onChange() {} });
  room.participants = [ada];
  room.stream.join('ada', { codec: 1, labels: ['smile'] });
  const gif = { url: '/gifs/a.gif' };
  let socket = await newest();
  socket.ready();
  socket.react({ reactionId: 'r1', phase: Phase.STARTED, gif });
  const over = [];
  const look = () => over.push(ada.reactions.map(({ isOver }) => isOver));
  const next = opened(sockets.length + 1);
  socket.drain();
  socket.onclose({ code: 4000, reason: '' });
  look();
  socket = await next;
  socket.ready();
  look();
  socket.react({ reactionId: 'r1', phase: Phase.ENDED });
  look();
  room.close();
  results.page = over;
}

{ // The live page measures from the capture of a frame that was sent until its ring is painted.
  let paint;
  globalThis.requestAnimationFrame = (callback) => { paint = callback; };
  const latency = new Latency(() => {});
  for (const [timestampUs, capturedMs, sequence] of [[1, 100, 0n], [2, 200, null], [3, 300, 1n]]) {
    latency.encodes(timestampUs, capturedMs);
    latency.encoded(timestampUs, sequence);
  }
  for (const sequence of [0n, 1n, 2n]) {
    paint = () => {};
    latency.decided(sequence);
    paint(350);
  }
  results.latency = [latency.medianMs, latency.lastMs];
}

{ // The tap joins with its first frame, and says then who speaks: also on a stream that is opened later.
  const said = [];
  globalThis.Worker = class {
    constructor() { queueMicrotask(() => this.onmessage({ data: { kind: 'loaded' } })); }
    postMessage(message) { said.push(message); }
  };
  globalThis.RTCRtpScriptTransform = class {};
  globalThis.RTCRtpSender = class {
    get transform() { return null; }
    set transform(_) {}
    getParameters() { return { codecs: [] }; }
  };
  const { Tap } = await load('tap/tap.js');
  const tap = new Tap(new RTCRtpSender());
  tap.speak(true);
  tap.start({ url: 'ws://gifcue.test/stream', participant: 'ada', labels: ['smile'] });
  const { value: options } = said.find(({ act }) => act === 'start');

  const metadata = { mimeType: 'video/VP8', synchronizationSource: 1, rtpTimestamp: 0, width: 640, height: 360 };
  const frame = { data: new ArrayBuffer(4), type: 'key', timestamp: 0, getMetadata: () => metadata };
  results.speaking = [];
  for (const [isSpeaking, says] of [[options.isSpeaking, []], [false, [true]], [true, [false]]]) {
    const session = new Session({ transformer: {}, tell() {}, options: { ...options, config: {}, isSpeaking } });
    const socket = await newest();
    socket.ready();
    for (const each of says) session.speak(each);
    session.take(session.copyOf(frame));
    session.end();
    results.speaking.push(updatesOf(socket));
  }
}

{ // The tap: a codec that the server does not take says nothing of the next one, which waits where it comes at once.
  results.codecs = [];
  for (const afterMs of [0, 2000]) {
    const options = { url: 'ws://gifcue.test/stream', participantId: 'ada', labels: ['smile'], config: {}, mimeTypes: {} };
    const session = new Session({ transformer: {}, tell() {}, options });
    const socket = await newest();
    socket.ready();
    const take = (mimeType) => {
      const metadata = { mimeType, synchronizationSource: 1, rtpTimestamp: 0, width: 640, height: 360 };
      const copy = session.copyOf({ data: new ArrayBuffer(4), type: 'key', timestamp: 0, getMetadata: () => metadata });
      if (copy) session.take(copy);
    };
    take('video/VP9');
    socket.fault(FaultCode.UNSUPPORTED_CODEC);
    take('video/VP9');
    aheadMs += afterMs;
    take('video/VP8');
    const { encoded, sent, leftOut } = session.counts;
    session.end();
    results.codecs.push([encoded, sent, leftOut.not_connected, updatesOf(socket)]);
  }
}

console.log(JSON.stringify(results));
