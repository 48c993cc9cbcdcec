/**
 * A client of gifcue's stream over WebSocket. It uses nothing of the DOM: it runs in a page, in a worker and in Node.
 * It knows the messages of the wire, but not their bytes: `wire` encodes and decodes them.
 *
 *   const stream = new ReactionStream({
 *     wire, url: 'wss://gifcue.example.org/stream',
 *     config: { roomId: 'weekly', sendHolding: true },
 *     on: { reaction: (event) => show(event), keyframe: (participant) => encoderOf(participant).askKeyframe() },
 *   });
 *   stream.join('ada', { codec: Codec.H264, labels: ['smile'] });
 *   stream.sendFrame('ada', { timestampUs, keyframe, payload });
 *
 * It opens the connection again when it is lost. Participants join again by themselves, and their encoders are asked for
 * a keyframe. Reactions under way go on at the next server; what no server goes on with ends with the reason `stream_lost`.
 * @module
 */
import { Batch } from './batch.js';
import { Carried } from './carried.js';
import { Rejoining } from './rejoining.js';
import { withRoom } from './room_key.js';
import { Code, statusOf } from './status.js';

export { Code };

const PROTOCOL = 'gifcue.v1';
/** Ticks a second of `timestampUs`. */
export const CLOCK_HZ = 1_000_000;
const SECOND_LOOK_MS = 100;
// Moves in a row without a pause worth the name: servers that ask every new stream to move are not asked without end.
const QUICK_MOVES = 3;

/** The values that a client may want to change. Times are milliseconds. */
export const DEFAULTS = Object.freeze({
  // Frames of several participants that are sent together.
  batchMs: 5,
  // Bytes that wait for the network. Beyond `high` the stream is congested, until less than `low` wait.
  highBytes: 128 * 1024,
  lowBytes: 32 * 1024,
  firstBackoffMs: 300,
  maxBackoffMs: 10_000,
  // A connection that lasted this long was a good one: the pauses begin with the shortest again, also those of moves.
  goodMs: 10_000,
  connectMs: 10_000,
  // A server that drains gets this long to finish what is in flight, at most. The next attempt follows within `moveMs`.
  drainMs: 1000,
  moveMs: 100,
  // Before a participant whose join was refused joins again. A server reports the same fault of one participant once a
  // second, so that a second refusal within that time would not be heard.
  rejoinMs: 2000,
  maxRejoinMs: 30_000,
  // After a lost connection, a server must go on with the reactions under way within this time. Otherwise they end.
  carriedMs: 10_000,
});

/**
 * @typedef {object} Frame
 * @property {number} timestampUs presentation time in microseconds
 * @property {boolean} keyframe whether a decoder can start with it
 * @property {Uint8Array} payload one encoded access unit
 * @property {number} [temporalLayer] 0..7, where it is known
 * @property {number} [rotation] degrees clockwise that turn the picture upright: 0, 90, 180 or 270
 *
 * @typedef {object} State
 * @property {'connecting' | 'ready' | 'waiting' | 'ended'} name
 * @property {import('./status.js').Status} [status] how the last connection ended; set while waiting and at the end
 * @property {number} [retryInMs] milliseconds until the next attempt; set while waiting
 *
 * @typedef {object} Handlers
 * @property {(state: State) => void} [state]
 * @property {(ready: object) => void} [ready]
 * @property {(event: object) => void} [reaction]
 * @property {(decision: object) => void} [decision]
 * @property {(fault: object) => void} [fault]
 * @property {(statistics: object) => void} [statistics]
 * @property {(participantId: string, reason: string) => void} [keyframe] the encoder must send a keyframe next
 * @property {(slowDown: object) => void} [slowDown]
 * @property {() => void} [drain] the server stops soon
 */

/**
 * Encodes and decodes messages. A message is what the oneof of a request or a response holds: `case` names its kind.
 * @typedef {object} Wire
 * @property {(message: {case: string, value: object}) => Uint8Array} encode a `StreamReactionsRequest`
 * @property {(bytes: Uint8Array) => {case?: string, value?: object}} decode a `StreamReactionsResponse`
 */

/** One stream, over as many connections as it takes. */
export class ReactionStream {
  /**
   * @param {object} options
   * @param {Wire} options.wire
   * @param {string} options.url address of the endpoint, ws: or wss:
   * @param {string} [options.token] access token; "" for a server that needs none
   * @param {object} options.config fields of `StreamConfig`
   * @param {Handlers} [options.on]
   * @param {typeof WebSocket} [options.socket] the class of connections, for tests
   * @param {Partial<typeof DEFAULTS>} [options.tuning]
   */
  constructor({ wire, url, token = '', config, on = {}, socket = globalThis.WebSocket, tuning = {} }) {
    this.#wire = wire;
    this.#url = url;
    this.#protocols = token ? [PROTOCOL, `gifcue.token.${token}`] : [PROTOCOL];
    this.#config = config;
    this.#on = on;
    this.#Socket = socket;
    this.#tuning = { ...DEFAULTS, ...tuning };
    this.#batch = new Batch((frames) => this.#sendFrames(frames), this.#tuning.batchMs);
    this.#rejoining = new Rejoining((id) => this.#sendJoin(id, this.#participants.get(id)), this.#tuning);
    // Without a room there is nothing to wait for.
    if (config.roomId) this.#place(url, config.roomId);
    else this.#connect();
  }

  #wire;
  #url;
  #protocols;
  #config;
  #on;
  #Socket;
  #tuning;
  #batch;
  /** @type {WebSocket | null} */
  #socket = null;
  #participants = new Map();
  #firstSequence = 0n; // above the numbers of those that have left: a fault of their frames is not of a later join
  #carried = new Carried();
  #rejoining;
  #givingUp = null;
  #ready = null;
  #isCongested = false;
  #failures = 0;
  #moves = 0;
  #timer = null;
  #watch = null;
  #alive = null;
  #drain = null; // runs while the server drains
  #abandon = null; // takes the present connection for lost
  #isClosed = false;
  #sentMs = 0;

  /** The server's `StreamReady`, null while there is no connection, or its server drains. */
  get ready() {
    return this.#takes ? this.#ready : null;
  }

  /** Bytes that wait for the network. */
  get bufferedBytes() {
    return this.#batch.bytes + (this.#socket?.bufferedAmount ?? 0);
  }

  /** Whether pictures should be skipped before they are encoded: the network is slower than the encoder. */
  get isCongested() {
    const { highBytes, lowBytes } = this.#tuning;
    this.#isCongested = this.bufferedBytes > (this.#isCongested ? lowBytes : highBytes);
    return this.#isCongested;
  }

  /**
   * A participant joins, now and again on each new connection. A second join under the same name replaces the first.
   * A join that is refused because the server is full is repeated after pauses that grow.
   * One that is refused for its codec or extradata is not: its frames are left out until it joins otherwise, or on another server.
   * Such a join waits a moment where the one before was refused.
   * @param {string} participantId
   * @param {{codec: number, labels: string[], extradata?: Uint8Array, isSpeaking?: boolean}} join `codec` is one of `Codec`.
   *   Without `isSpeaking`, it is as `speak` said last.
   */
  join(participantId, { codec, labels, extradata = new Uint8Array(), isSpeaking }) {
    const known = this.#participants.get(participantId);
    const participant = {
      join: { codec, extradata, allowedLabels: [...labels] },
      sequence: known?.sequence ?? this.#firstSequence,
      isSpeaking: isSpeaking ?? known?.isSpeaking ?? false,
      needsKeyframe: true,
    };
    this.#participants.set(participantId, participant);
    this.#carried.joined(participantId);
    if (this.#takes && !this.#rejoining.holds(participantId)) this.#sendJoin(participantId, participant);
  }

  /**
   * Replaces the labels that a participant agrees to.
   * @param {string} participantId
   * @param {string[]} labels
   */
  allow(participantId, labels) {
    const participant = this.#participants.get(participantId);
    if (!participant) return;
    participant.join.allowedLabels = [...labels];
    if (!this.#takes) this.#react(this.#carried.withdrawn(participantId, labels));
    if (this.#isKnown(participantId)) this.#update(participantId, { case: 'allowed', value: { labels: this.#known(labels) } });
  }

  /**
   * Whether a participant speaks, now and on each new connection.
   * @param {string} participantId
   * @param {boolean} speaking
   */
  speak(participantId, speaking) {
    const participant = this.#participants.get(participantId);
    if (!participant) return;
    participant.isSpeaking = speaking;
    if (this.#isKnown(participantId)) this.#update(participantId, { case: 'speaking', value: { speaking } });
  }

  /**
   * A reaction was not meant. A server that has no dismissals is not told.
   * @param {string} participantId
   * @param {string} reactionId
   */
  dismiss(participantId, reactionId) {
    if (!this.#isKnown(participantId) || !this.#ready.features.includes('dismiss')) return;
    this.#update(participantId, { case: 'dismiss', value: { reactionId } });
    this.#carried.dismissed(participantId, reactionId);
  }

  /** @param {string} participantId */
  leave(participantId) {
    const participant = this.#participants.get(participantId);
    if (!participant) return;
    this.#participants.delete(participantId);
    if (participant.sequence > this.#firstSequence) this.#firstSequence = participant.sequence;
    const isKnown = this.#isKnown(participantId);
    this.#rejoining.forget(participantId);
    this.#react(this.#carried.left(participantId, this.#takes && isKnown));
    if (isKnown) this.#update(participantId, { case: 'leave', value: {} });
  }

  /**
   * Whether the server refused a participant's last join. Its frames are not sent meanwhile.
   * @param {string} participantId
   */
  isRefused(participantId) {
    return this.#rejoining.has(participantId);
  }

  /**
   * Sends one frame, and says under which number. Null where it is not sent: there is no connection, the join was refused,
   * the server needs a keyframe first, or the payload is larger than the server takes. A frame that was encoded and not sent
   * makes a gap, so that a keyframe is then asked for.
   * @param {string} participantId
   * @param {Frame} frame
   * @returns {bigint | null}
   */
  sendFrame(participantId, { timestampUs, keyframe, payload, temporalLayer, rotation = 0 }) {
    const participant = this.#participants.get(participantId);
    if (!participant) return null;
    const tooLarge = this.#ready !== null && payload.byteLength > this.#ready.limits.maxFrameBytes;
    if (!this.#takes || tooLarge || this.isRefused(participantId) || (participant.needsKeyframe && !keyframe)) {
      if (!participant.needsKeyframe || tooLarge) {
        participant.needsKeyframe = true;
        this.#on.keyframe?.(participantId, tooLarge ? 'frame_too_large' : 'not_connected');
      }
      return null;
    }
    participant.needsKeyframe = false;
    const sequence = participant.sequence++;
    this.#batch.add({
      participantId, sequence, pts: BigInt(Math.round(timestampUs)), clockHz: CLOCK_HZ, keyframe, payload, rotation, temporalLayer,
    });
    return sequence;
  }

  /** Asks for one `statistics`. */
  askStatistics() {
    if (this.#ready) this.#send({ case: 'statistics', value: {} });
  }

  /** Ends the stream for good. */
  close() {
    this.#isClosed = true;
    this.#batch.flush();
    this.#forget();
    this.#socket?.close(1000);
    this.#socket = null;
    this.#giveUp();
    this.#tell({ name: 'ended', status: statusOf({ code: 4000 + Code.OK, reason: '' }) });
  }

  async #place(url, roomId) {
    this.#url = await withRoom(url, roomId);
    if (!this.#isClosed) this.#connect();
  }

  #connect() {
    this.#tell({ name: 'connecting' });
    let socket;
    try {
      socket = new this.#Socket(this.#url, this.#protocols);
    } catch (error) {
      // A token with characters that no header may carry, or an address that is none.
      this.#end(statusOf({ code: 4000 + Code.INVALID_ARGUMENT, reason: String(error.message) }));
      return;
    }
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    let readyAtMs = null;
    const lost = (event) => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      if (readyAtMs !== null && performance.now() - readyAtMs >= this.#tuning.goodMs) this.#failures = this.#moves = 0;
      this.#retry(statusOf(event));
    };
    // A close of a connection that does not answer takes long, so the next attempt does not wait for it.
    const giveUp = (reason) => {
      lost({ code: 1006, reason });
      socket.close();
    };
    this.#abandon = giveUp;
    this.#watch = setTimeout(() => giveUp('the server did not answer'), this.#tuning.connectMs);
    socket.onopen = () => this.#send({ case: 'config', value: { ...this.#config, resume: this.#carried.room() } });
    socket.onclose = lost;
    socket.onmessage = ({ data }) => {
      if (this.#socket !== socket) return;
      const message = this.#wire.decode(new Uint8Array(data));
      if (message.case === 'ready') readyAtMs = performance.now();
      this.#receive(message);
      clearTimeout(this.#watch);
      this.#keepAlive();
      const silenceMs = 3 * (this.#ready?.limits.heartbeatIntervalMs ?? 0);
      // A page that was held up gets its messages before the second timer fires.
      const isSilent = () => { this.#watch = setTimeout(() => giveUp('the server fell silent'), SECOND_LOOK_MS); };
      if (silenceMs > 0) this.#watch = setTimeout(isSilent, silenceMs);
    };
  }

  #receive({ case: kind, value }) {
    switch (kind) {
      case 'ready':
        this.#ready = value;
        this.#batch.limit(value.limits);
        this.#on.ready?.(value);
        if (!this.#isClosed) this.#tell({ name: 'ready' });
        if (this.#isClosed) break; // by one of these handlers
        if (this.#quietMs > 0) this.#alive = setInterval(() => this.#keepAlive(), this.#quietMs);
        if (!this.#carries) this.#react(this.#carried.giveUp());
        for (const [id, participant] of this.#participants) this.#sendJoin(id, participant);
        clearTimeout(this.#givingUp);
        this.#givingUp = null;
        break;
      case 'control':
        this.#control(value.control);
        break;
      case 'reaction':
        this.#react(this.#carried.heard(value));
        break;
      case 'fault':
        if (this.#takes && this.#rejoining.heard(value) && !this.#isKnown(value.participantId)) {
          // A server ends what a refused join carries only within limits. What it ends as well is kept back.
          this.#react(this.#carried.refused(value.participantId));
        }
        this.#on.fault?.(value);
        break;
      case 'decision': case 'statistics':
        this.#on[kind]?.(value);
        break;
      default: // a heartbeat, or what a newer server says
    }
  }

  #control({ case: kind, value }) {
    if (kind === 'keyframe') this.#on.keyframe?.(value.participantId, value.reason);
    else if (kind === 'slowDown') this.#on.slowDown?.(value);
    else if (kind === 'drain') this.#drains();
  }

  /**
   * The server drops frames and refuses joins from here on. Participants join elsewhere once it has ended the stream, and not
   * before, since what is in flight may start or end a reaction. It may hang, and gets the same time whatever its deadline is: at
   * the deadline it still sends what it knows.
   */
  #drains() {
    const ended = 'the server did not end the stream in time after its drain';
    this.#drain ??= setTimeout(() => this.#abandon(ended), this.#tuning.drainMs);
    this.#rejoining.stop();
    this.#on.drain?.();
  }

  #sendJoin(participantId, participant) {
    const { join } = participant;
    participant.needsKeyframe = true;
    this.#rejoining.sent(participantId, participant.sequence);
    this.#update(participantId, { case: 'join', value: this.#joinOf(participantId, join) });
    if (participant.isSpeaking) this.#update(participantId, { case: 'speaking', value: { speaking: true } });
    this.#on.keyframe?.(participantId, 'joined');
  }

  #joinOf(participantId, join) {
    const resume = this.#carries ? { resume: this.#carried.participant(participantId) } : {};
    return { ...join, ...resume, allowedLabels: this.#known(join.allowedLabels) };
  }

  /** Milliseconds after which an empty message is sent. 0: none is, to a server that does not end idle streams or knows no `frames`. */
  get #quietMs() {
    const { idleTimeoutMs = 0, maxFramesPerMessage = 0 } = this.#ready?.limits ?? {};
    return maxFramesPerMessage > 0 ? idleTimeoutMs / 3 : 0;
  }

  /** Whether there is a server that takes joins and frames. */
  get #takes() {
    return this.#ready !== null && this.#drain === null;
  }

  /** Whether there is a server that has this participant. Any other would answer an update with a fault. */
  #isKnown(participantId) {
    return this.#rejoining.isKnown(participantId);
  }

  /** Whether the server takes over what goes on. */
  get #carries() {
    return this.#ready.features.includes('resume');
  }

  #react(events) {
    for (const event of events) this.#on.reaction?.(event);
  }

  /** The labels that the server has. Another server, or a new model, may have others. */
  #known(labels) {
    return labels.filter((label) => this.#ready.reactionLabels.includes(label));
  }

  #update(participantId, update) {
    this.#batch.flush(); // messages keep their order
    this.#send({ case: 'participant', value: { participantId, update } });
  }

  #sendFrames(frames) {
    this.#send(frames.length === 1 ? { case: 'frame', value: frames[0] } : { case: 'frames', value: { frames } });
  }

  #send(message) {
    if (this.#socket?.readyState !== 1) return; // it closes: `onclose` follows
    this.#sentMs = performance.now();
    this.#socket.send(this.#wire.encode(message));
  }

  /**
   * Sends something before the server ends a stream that is idle. Hidden pages get messages in time, but their timers may come
   * late: each message looks as well.
   */
  #keepAlive() {
    if (this.#quietMs > 0 && performance.now() - this.#sentMs > this.#quietMs) this.#send({ case: 'frames', value: { frames: [] } });
  }

  #retry(status) {
    const isMoving = this.#drain !== null;
    this.#forget();
    this.#react(this.#carried.lost());
    this.#givingUp ??= setTimeout(() => this.#react(this.#carried.giveUp()), this.#tuning.carriedMs);
    if (this.#isClosed) return;
    if (!status.canRetry) {
      this.#end(status);
      return;
    }
    // By chance within the pause, so that the clients of a server that restarts do not all come at once.
    const isQuick = isMoving && this.#moves++ < QUICK_MOVES;
    const pauseMs = isQuick ? this.#tuning.moveMs * Math.random() : this.#backoffMs() * (0.5 + Math.random() / 2);
    const retryInMs = Math.max(status.retryAfterMs, pauseMs);
    this.#tell({ name: 'waiting', status, retryInMs });
    if (!this.#isClosed) this.#timer = setTimeout(() => this.#connect(), retryInMs);
  }

  /** Milliseconds after one more failure. */
  #backoffMs() {
    const { firstBackoffMs, maxBackoffMs } = this.#tuning;
    return Math.min(maxBackoffMs, firstBackoffMs * 2 ** this.#failures++);
  }

  #end(status) {
    this.#isClosed = true;
    this.#forget();
    this.#giveUp();
    this.#tell({ name: 'ended', status });
  }

  /** Ends what is under way: no server goes on with it. */
  #giveUp() {
    clearTimeout(this.#givingUp);
    this.#react(this.#carried.giveUp());
  }

  /** Forgets the connection, and what would have been sent over it. */
  #forget() {
    clearTimeout(this.#timer);
    clearTimeout(this.#watch);
    clearTimeout(this.#drain);
    clearInterval(this.#alive);
    this.#drain = null;
    this.#rejoining.clear();
    this.#ready = null;
    this.#isCongested = false;
    this.#batch.clear();
  }

  #tell(state) {
    this.#on.state?.(state);
  }
}
