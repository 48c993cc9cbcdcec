// Streams the encoded frames of an IVF file (VP8, VP9 or AV1) to a gifcue server and prints the reactions.
//
//   node client.mjs clip.ivf 127.0.0.1:50051[,127.0.0.1:50052] [labels] [room]
//
// It keeps the whole contract of the wire, docs/integrating.md: state.mjs has what goes on from one connection to the next. Replace
// `framesOf` by what your media server receives, and `show` by what it does with reactions.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { Carried } from './state.mjs';

const PROTOS = process.env.GIFCUE_PROTOS ?? fileURLToPath(new URL('../../protos', import.meta.url));
const { gifcue } = grpc.loadPackageDefinition(
  loader.loadSync('gifcue/v1/reaction_service.proto', { includeDirs: [PROTOS], keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true }));
const CODECS = { VP80: 'CODEC_VP8', VP90: 'CODEC_VP9', AV01: 'CODEC_AV1' };
const READY_MS = 10_000;
// What is in flight on a server that drains may still start or end a reaction: the next server is told after it.
const DRAIN_WAIT_MS = 1000;
// The statuses after which another attempt can help. CANCELLED is what a proxy makes of a server that died.
const RETRYABLE = new Set(['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED', 'CANCELLED'].map((name) => grpc.status[name]));
// By these details gRPC or a proxy says that a connection was lost. A server says INTERNAL of a defect.
const SAYS_LOST = /RST_STREAM|GOAWAY|Received HTTP status code 5/;
const PERHAPS_LOST = new Set([grpc.status.INTERNAL, grpc.status.UNKNOWN]);
// Before another connection. A few follow at once after a drain, or where another server is left.
const [FIRST_PAUSE_MS, MAX_PAUSE_MS] = [250, 10_000];
const [QUICK_PAUSE_MS, MAX_QUICK] = [100, 3];
// A connection that lasted this long was a good one. Where servers end or drain streams at once, the pauses grow.
const HELD_MS = 5000;
// Before a join that the server has no room for is repeated.
const [FIRST_REJOIN_MS, MAX_REJOIN_MS] = [2000, 30_000];
const FULL = new Set(['FAULT_CODE_TOO_MANY_PARTICIPANTS', 'FAULT_CODE_TOO_MANY_JOINS']);
// A server would refuse the same join again.
const FINAL = new Set(['FAULT_CODE_UNSUPPORTED_CODEC', 'FAULT_CODE_INVALID_EXTRADATA']);
const [, , file, servers = '127.0.0.1:50051', labels = 'smile,wave,thumbs_up', room = 'example'] = process.argv;

/** The frames of an IVF file: a header of 32 bytes, then size (4 bytes), pts (8 bytes) and payload of each frame. */
function* framesOf(data) {
  for (let at = data.readUInt16LE(6); at + 12 <= data.length;) {
    const size = data.readUInt32LE(at);
    yield { pts: Number(data.readBigUInt64LE(at + 4)), payload: data.subarray(at + 12, at + 12 + size) };
    at += 12 + size;
  }
}

/** Leaves out the temporal delimiter of AV1, which RTP does not have either. */
function accessUnit(codec, payload) {
  return codec === 'CODEC_AV1' && payload[0] === 0x12 && payload[1] === 0 ? payload.subarray(2) : payload;
}

/** True where a decoder can start. Your media server knows this from its depacketiser. */
function isKeyframe(codec, payload) {
  if (codec === 'CODEC_VP8') return (payload[0] & 1) === 0;
  if (codec === 'CODEC_VP9') return (payload[0] & 0x0c) === 0; // profiles 0 to 2
  return (payload[0] >> 3 & 15) === 1; // AV1: it begins with a sequence header
}

const show = (event) => console.log(JSON.stringify(event));
/** Varies a pause at random by 20 %, so that clients do not all come at once. */
const spread = (ms) => ms * (0.8 + 0.4 * Math.random());

/** What every connection shares: where the video is, and whether only a keyframe can be used. */
const video = { sequence: 0, needsKeyframe: true, done: false };
const carried = new Carried(show);

/** One connection. `over` resolves with the status once the call has ended. */
function connect(target, codec) {
  const client = new gifcue.v1.ReactionService(target, grpc.credentials.createInsecure(), {
    'grpc.keepalive_time_ms': 20_000, 'grpc.keepalive_timeout_ms': 10_000 });
  // The key by which proxies place the streams of a room: docs/proxies.md.
  const metadata = new grpc.Metadata();
  metadata.set('gifcue-room', createHash('sha256').update(room).digest('hex').slice(0, 32));
  const call = client.StreamReactions(metadata);
  // Frames are sent while it has joined: not while a refused join waits to be repeated.
  const connection = { call, ready: null, hasJoined: false, writable: true, draining: false };
  let idle; // sends an empty message: the server ends a stream that is idle
  const send = connection.send = (message) => {
    connection.writable = call.write(message);
    idle?.refresh();
  };
  call.on('drain', () => { connection.writable = true; });
  // Ends the call of a server that is not ready in time, and later of one that sends neither events nor heartbeats.
  let silence = setTimeout(() => call.cancel(), READY_MS);
  const heard = () => {
    if (!connection.ready || connection.draining) return;
    clearTimeout(silence);
    const patience = 3 * connection.ready.limits.heartbeat_interval_ms;
    if (patience) silence = setTimeout(() => call.cancel(), patience);
  };
  let first = 0; // number of the first frame after the join
  let rejoin; // repeats a join that was refused
  let refusals = 0;
  const join = () => {
    // Only labels that the server knows, and that this person agreed to.
    const allowed = labels.split(',').filter((label) => connection.ready.reaction_labels.includes(label));
    const resume = connection.ready.features.includes('resume') ? { resume: carried.participantState() } : {};
    send({ participant: { participant_id: 'ada', join: { codec, allowed_labels: allowed, ...resume } } });
    // A new decoder can only start with a keyframe: ask your sender for one here, once a second until it comes (RTCP PLI).
    video.needsKeyframe = true;
    first = video.sequence;
    connection.hasJoined = true;
    show({ type: 'joined', target, labels: allowed });
  };
  const onReady = () => {
    const { features, limits } = connection.ready;
    // A server that knows no message of several frames would take one without any for a defect.
    if (limits.idle_timeout_ms && limits.max_frames_per_message) idle = setInterval(() => send({ frames: { frames: [] } }), limits.idle_timeout_ms / 3);
    carried.ready(features.includes('resume'));
    join();
    if (video.done) leave(connection); // the video ended before: `play` had nobody to tell
  };
  /** Looks for the refusal of a join. It ends what the join carried, and repeats it after a pause. */
  const onFault = ({ code, sequence }) => {
    // The server does not report every refusal, but that it does not know whose frames these are.
    const isUnknown = code === 'FAULT_CODE_UNKNOWN_PARTICIPANT' && sequence >= first;
    if (!connection.hasJoined || !(isUnknown || FULL.has(code) || FINAL.has(code))) return;
    connection.hasJoined = false;
    carried.drop('refused');
    if (FINAL.has(code) || video.done) return;
    rejoin = setTimeout(join, spread(Math.min(MAX_REJOIN_MS, FIRST_REJOIN_MS * 2 ** refusals++)));
  };
  const onDrain = () => {
    connection.draining = true;
    connection.hasJoined = false; // nothing more is sent: a leave would end what the next server goes on with
    clearTimeout(rejoin);
    clearInterval(idle);
    clearTimeout(silence);
    silence = setTimeout(() => call.cancel(), DRAIN_WAIT_MS);
  };
  connection.close = () => {
    clearTimeout(rejoin);
    clearInterval(idle);
    call.end();
  };
  connection.over = new Promise((resolve) => {
    call.on('data', (response) => {
      heard();
      switch (response.message) {
        case 'ready':
          connection.ready = response.ready;
          heard();
          onReady();
          break;
        case 'reaction': {
          const { gif } = response.reaction;
          carried.hear(response.reaction, gif?.url.startsWith('/') ? connection.ready.gif_base_url + gif.url : gif?.url);
          break;
        }
        case 'control':
          if (response.control.keyframe) video.needsKeyframe = true; // and ask your sender, once a second until it comes: RTCP PLI or FIR
          else if (response.control.drain) onDrain();
          else show({ type: 'slow_down', ...response.control.slow_down });
          break;
        case 'fault':
          console.error(`${response.fault.code} x${response.fault.count}: ${response.fault.message}`);
          onFault(response.fault);
      }
    });
    call.on('error', () => {}); // `status` follows and says the same
    call.on('status', (status) => {
      clearTimeout(silence);
      clearTimeout(rejoin);
      clearInterval(idle);
      client.close();
      connection.hasJoined = false;
      carried.lost();
      resolve(connection.draining ? { code: grpc.status.OK, details: 'draining' } : status);
    });
  });
  send({ config: { room_id: room, client_name: 'gifcue-example-node/1', resume: carried.roomState() } });
  return connection;
}

/** Half-closes, and leaves where the server has the participant: it finishes the frames in flight and ends with OK. */
function leave({ hasJoined, send, close }) {
  if (hasJoined) send({ participant: { participant_id: 'ada', leave: {} } });
  close();
}

/** Sends frames when they are due, whether or not there is a connection: live video does not wait. */
async function play(data, codec, current) {
  const ticksPerMs = data.readUInt32LE(16) / data.readUInt32LE(20) / 1000;
  const started = performance.now();
  for (const each of framesOf(data)) {
    const atMs = each.pts / ticksPerMs;
    await sleep(Math.max(0, atMs - (performance.now() - started)));
    const payload = accessUnit(codec, each.payload);
    const keyframe = isKeyframe(codec, payload);
    const { connection } = current;
    const sequence = video.sequence++; // also for a frame that is not sent: the gap tells the server
    if (!connection?.hasJoined || (video.needsKeyframe && !keyframe)) continue;
    if (!connection.writable) { video.needsKeyframe = true; continue; } // a slow network: leave frames out
    video.needsKeyframe = false;
    connection.send({ frame: { participant_id: 'ada', sequence, pts: Math.round(atMs), clock_hz: 1000, keyframe, payload } });
  }
  video.done = true;
  if (current.connection?.ready && !current.connection.draining) leave(current.connection);
}

const data = readFileSync(file);
const codec = CODECS[data.toString('latin1', 8, 12)];
if (data.toString('latin1', 0, 4) !== 'DKIF' || !codec) throw new Error(`expected an IVF file of VP8, VP9 or AV1, got ${file}`);
const targets = servers.split(',');
const current = { connection: null };
const playing = play(data, codec, current);
let status = { code: grpc.status.OK };
let [quick, slow] = [0, 0]; // attempts since a connection held
const waitsUntil = new Map(); // by server that has named a pause, and for no other
for (let attempt = 0; ; attempt++) {
  const started = performance.now();
  const target = targets[attempt % targets.length];
  const connection = current.connection = connect(target, codec);
  status = await connection.over;
  const canRetry = RETRYABLE.has(status.code) || (PERHAPS_LOST.has(status.code) && SAYS_LOST.test(status.details));
  if (video.done || !(connection.draining || canRetry)) break;
  show({ type: 'disconnected', code: status.code, details: status.details });
  if (connection.ready && performance.now() - started >= HELD_MS) [quick, slow] = [0, 0];
  // A drain is no failure, and another server may be there. But servers that end each stream are not asked without end.
  const isQuick = (connection.draining || quick + slow + 1 < targets.length) && quick < MAX_QUICK;
  const pause = isQuick ? QUICK_PAUSE_MS * Math.random() : spread(Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** slow));
  if (isQuick) quick++;
  else slow++;
  waitsUntil.set(target, performance.now() + Number(status.metadata?.get('gifcue-retry-after-ms')[0] ?? 0));
  const next = targets[(attempt + 1) % targets.length];
  await sleep(Math.max(pause, (waitsUntil.get(next) ?? 0) - performance.now()));
}
if (status.code === grpc.status.OK) await playing;
carried.drop('stream_lost');
show({ type: 'end', code: status.code, details: status.details });
process.exit(status.code === grpc.status.OK ? 0 : 1);
