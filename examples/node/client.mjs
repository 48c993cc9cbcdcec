// Streams the encoded frames of an IVF file (VP8, VP9 or AV1) to a gifcue server and prints the reactions.
//
//   node client.mjs clip.ivf 127.0.0.1:50051[,127.0.0.1:50052] [labels] [room]
//
// It keeps the whole contract of the wire: docs/integrating.md. Replace `framesOf` by what your media server receives.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const PROTOS = process.env.GIFCUE_PROTOS ?? fileURLToPath(new URL('../../protos', import.meta.url));
const { gifcue } = grpc.loadPackageDefinition(
  loader.loadSync('gifcue/v1/reaction_service.proto', { includeDirs: [PROTOS], keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true }));
const CODECS = { VP80: 'CODEC_VP8', VP90: 'CODEC_VP9', AV01: 'CODEC_AV1' };
// The statuses after which another attempt can help. CANCELLED is what a proxy makes of a server that died.
const RETRYABLE = new Set(['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED', 'CANCELLED', 'INTERNAL', 'UNKNOWN']
  .map((name) => grpc.status[name]));
const MAX_BACKOFF_MS = 10_000;
// A connection that lasted this long was a good one. Where servers end or drain streams at once, the pauses grow.
const HELD_MS = 5000;
// What is in flight on a server that drains may still start or end a reaction: the next server is told after it.
const DRAIN_WAIT_MS = 1000;
// A join that the server has no room for is repeated after pauses that grow. A server reports the same fault once a second, so
// that a second refusal within that time would not be heard.
const FULL = new Set(['FAULT_CODE_TOO_MANY_PARTICIPANTS', 'FAULT_CODE_TOO_MANY_JOINS']);
const [FIRST_REJOIN_MS, MAX_REJOIN_MS] = [2000, 30_000];
const [, , file, servers = '127.0.0.1:50051', labels = 'smile,wave,thumbs_up', room = 'example'] = process.argv;

/** The frames of an IVF file: a header of 32 bytes, then size (4 bytes), pts (8 bytes) and payload of each frame. */
function* framesOf(data) {
  for (let at = data.readUInt16LE(6); at + 12 <= data.length;) {
    const size = data.readUInt32LE(at);
    yield { pts: Number(data.readBigUInt64LE(at + 4)), payload: data.subarray(at + 12, at + 12 + size) };
    at += 12 + size;
  }
}

/** True where a decoder can start. Your media server knows this from its depacketiser. */
function isKeyframe(codec, payload) {
  if (codec === 'CODEC_VP8') return (payload[0] & 1) === 0;
  if (codec === 'CODEC_VP9') return (payload[0] & 0x0c) === 0; // profiles 0 to 2
  return [...Array(4).keys()].some((at) => (payload[at] >> 3 & 15) === 1); // AV1: a sequence header OBU
}

/** What every connection shares: where the video is, and whether only a keyframe can be used. */
const video = { sequence: 0, needsKeyframe: true, done: false };

/** What the next server has to know: reactions under way, and what may not start or answer yet. Times of performance.now. */
const carried = { running: new Map(), labels: new Map(), rules: new Map(), room: new Map() };

/** Learns from an event. False for the end of a reaction that is not under way: it has ended already. */
function note({ phase, label, reaction_id, gif, ...event }) {
  const now = performance.now();
  if (phase === 'PHASE_STARTED') {
    carried.running.set(label, { reaction_id, label, since: now });
    if (gif) carried.rules.set(gif.rule_id, now + event.gif_cooldown_ms);
    if (gif) carried.room.set(gif.rule_id, now + event.room_cooldown_ms);
  } else if (phase === 'PHASE_ENDED') {
    if (carried.running.get(label)?.reaction_id !== reaction_id) return false;
    carried.running.delete(label);
    carried.labels.set(label, now + event.cooldown_ms);
  }
  return true;
}

/** Ends what goes on nowhere: what a refused join carried, or what is under way at the end. */
function end(end_reason) {
  for (const { label, reaction_id } of carried.running.values()) console.log(JSON.stringify({ type: 'PHASE_ENDED', label, reaction_id, end_reason }));
  carried.running.clear();
}

/** The cooldowns that are not over, as the wire has them. */
const cooldowns = (until, name) => [...until]
  .map(([each, at]) => ({ [name]: each, remaining_ms: Math.ceil(at - performance.now()) })).filter((each) => each.remaining_ms > 0);
const roomState = () => ({ gif_cooldowns: cooldowns(carried.room, 'rule_id') });
const participantState = () => ({
  running: [...carried.running.values()].map(({ since, ...each }) => ({ ...each, age_ms: Math.round(performance.now() - since) })),
  cooldowns: cooldowns(carried.labels, 'label'), gif_cooldowns: cooldowns(carried.rules, 'rule_id'),
});

/** One connection. `over` resolves with the status once the call has ended. */
function connect(target, codec) {
  const client = new gifcue.v1.ReactionService(target, grpc.credentials.createInsecure(), {
    'grpc.keepalive_time_ms': 20_000, 'grpc.keepalive_timeout_ms': 10_000 });
  // The key by which proxies place the streams of a room: docs/proxies.md.
  const metadata = new grpc.Metadata();
  metadata.set('gifcue-room', createHash('sha256').update(room).digest('hex').slice(0, 32));
  const call = client.StreamReactions(metadata);
  const connection = { call, ready: null, hasJoined: false, writable: true, draining: false };
  const write = (message) => { connection.writable = call.write(message); };
  connection.send = (message) => write(message);
  call.on('drain', () => { connection.writable = true; });
  let silence; // ends the call of a server that sends neither events nor heartbeats
  const heard = () => {
    if (connection.draining) return;
    clearTimeout(silence);
    const patience = 3 * (connection.ready?.limits.heartbeat_interval_ms ?? 0);
    if (patience) silence = setTimeout(() => call.cancel(), patience);
  };
  let rejoin; // repeats a join that was refused
  let refusals = 0;
  const join = () => {
    if (video.done) return;
    // Only labels that the server knows, and that this person agreed to.
    const allowed = labels.split(',').filter((label) => connection.ready.reaction_labels.includes(label));
    write({ participant: { participant_id: 'ada', join: { codec, allowed_labels: allowed, resume: participantState() } } });
    // A new decoder can only start with a keyframe: ask your sender for one here (RTCP PLI).
    video.needsKeyframe = true;
    connection.hasJoined = true;
    console.log(JSON.stringify({ type: 'joined', target, labels: allowed }));
  };
  const onRefused = () => {
    connection.hasJoined = false;
    end('refused'); // a server does so only within limits. What it ends as well, `note` keeps back
    rejoin = setTimeout(join, Math.min(MAX_REJOIN_MS, FIRST_REJOIN_MS * 2 ** refusals++) * (0.75 + Math.random() / 2));
  };
  const onDrain = () => {
    clearTimeout(rejoin);
    clearTimeout(silence);
    connection.draining = true;
    connection.hasJoined = false; // nothing more is sent: a leave would end what the next server goes on with
    silence = setTimeout(() => call.cancel(), DRAIN_WAIT_MS);
  };
  connection.over = new Promise((resolve) => {
    call.on('data', (response) => {
      heard();
      switch (response.message) {
        case 'ready': {
          connection.ready = response.ready;
          heard();
          join();
          if (video.done) leave(connection); // the video ended before: `play` had nobody to tell
          break;
        }
        case 'reaction': {
          const { phase, label, reaction_id, gif, end_reason } = response.reaction;
          if (!note(response.reaction)) break;
          const url = gif?.url.startsWith('/') ? connection.ready.gif_base_url + gif.url : gif?.url;
          console.log(JSON.stringify({ type: phase, label, reaction_id, gif: url, end_reason }));
          break;
        }
        case 'control':
          if (response.control.keyframe) video.needsKeyframe = true; // and ask your sender: RTCP PLI or FIR
          else if (response.control.drain) onDrain();
          else console.log(JSON.stringify({ type: 'slow_down', ...response.control.slow_down }));
          break;
        case 'fault':
          console.error(`${response.fault.code} x${response.fault.count}: ${response.fault.message}`);
          if (FULL.has(response.fault.code) && connection.hasJoined) onRefused();
      }
    });
    call.on('error', () => {}); // `status` follows and says the same
    call.on('status', (status) => { clearTimeout(silence); clearTimeout(rejoin); client.close(); resolve(connection.draining ? { code: grpc.status.OK, details: 'draining' } : status); });
  });
  write({ config: { room_id: room, client_name: 'gifcue-example-node/1', resume: roomState() } });
  return connection;
}

/** The server finishes the frames in flight and ends with OK. */
function leave({ send, call }) {
  send({ participant: { participant_id: 'ada', leave: {} } });
  call.end();
}

/** Sends frames when they are due, whether or not there is a connection: live video does not wait. */
async function play(data, codec, current) {
  const ticksPerMs = data.readUInt32LE(16) / data.readUInt32LE(20) / 1000;
  const started = performance.now();
  for (const { pts, payload } of framesOf(data)) {
    await sleep(Math.max(0, pts / ticksPerMs - (performance.now() - started)));
    const keyframe = isKeyframe(codec, payload);
    const { connection } = current;
    const sequence = video.sequence++; // also for a frame that is not sent: the gap tells the server
    if (!connection?.hasJoined || (video.needsKeyframe && !keyframe)) continue;
    if (!connection.writable) { video.needsKeyframe = true; continue; } // a slow network: leave frames out
    video.needsKeyframe = false;
    connection.send({ frame: { participant_id: 'ada', sequence, pts: Math.round(pts / ticksPerMs), clock_hz: 1000, keyframe, payload } });
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
for (let attempt = 0, failures = 0; ; attempt++) {
  const started = performance.now();
  const connection = current.connection = connect(targets[attempt % targets.length], codec);
  status = await connection.over;
  if (video.done || !(connection.draining || RETRYABLE.has(status.code))) break;
  console.log(JSON.stringify({ type: 'disconnected', code: status.code, details: status.details }));
  if (connection.ready && performance.now() - started >= HELD_MS) failures = 0;
  const told = Number(status.metadata?.get('gifcue-retry-after-ms')[0] ?? 0);
  await sleep(Math.max(told, Math.random() * Math.min(MAX_BACKOFF_MS, 100 * 2 ** failures++)));
}
if (status.code === grpc.status.OK) await playing;
end('stream_lost');
console.log(JSON.stringify({ type: 'end', code: status.code, details: status.details }));
process.exit(status.code === grpc.status.OK ? 0 : 1);
