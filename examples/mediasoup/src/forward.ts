// Forwards a mediasoup producer to gifcue: a PlainTransport sends its RTP to `gifcue ingest rtp`, which sends reactions back.
//
// mediasoup answers the RTCP PLI of gifcue by itself: it asks the producer for a keyframe.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { types } from 'mediasoup';

const CODECS: Record<string, string> = {
  'video/h264': 'h264', 'video/h265': 'h265', 'video/vp8': 'vp8', 'video/vp9': 'vp9', 'video/av1': 'av1',
};
const ORIENTATION = 'urn:3gpp:video-orientation';
const START_MS = 15_000;

export interface Target {
  /** The server, such as "127.0.0.1:50051". */
  server: string;
  /** Where `gifcue ingest rtp` listens; one port for each participant. */
  ip: string;
  port: number;
}

export interface Participant {
  /** Any name that is unique in the room. */
  id: string;
  room: string;
  /** The reactions that this person has agreed to. Without any, nothing is forwarded. */
  labels: string[];
}

/** A reaction, as `gifcue ingest --json` prints it. */
export interface Reaction {
  type: string;
  participant_id: string;
  phase: string;
  label: string;
  reaction_id: string;
}

export interface Forward {
  pause(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
  /** Resolves once it is closed, by `close` or with the producer or router. It is rejected where `gifcue ingest` ends by itself. */
  ended: Promise<void>;
}

interface Ingest {
  process: ChildProcess;
  /** Resolves with its exit code, null where a signal ended it. */
  exit: Promise<number | null>;
}

/** Starts to forward a video producer. */
export async function forward(
  router: types.Router, producer: types.Producer, participant: Participant, target: Target, onReaction: (reaction: Reaction) => void,
): Promise<Forward> {
  if (producer.kind !== 'video') throw new Error(`expected a producer of video, got ${producer.kind}`);
  if (participant.labels.length === 0) throw new Error(`expected labels that ${participant.id} has agreed to, got none`);
  const transport = await router.createPlainTransport({ listenInfo: { protocol: 'udp', ip: target.ip }, rtcpMux: true, comedia: false });
  let ingest: Ingest | undefined;
  try {
    // Paused, until gifcue listens: a keyframe that is sent before would be lost.
    const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities, paused: true });
    ingest = await start(consumer.rtpParameters, participant, target, onReaction);
    await transport.connect({ ip: target.ip, port: target.port });
    // The middle layer of three serves best: 640x360 of a camera with 1280x720.
    if (consumer.type !== 'simple') await consumer.setPreferredLayers({ spatialLayer: 1 });
    const resume = async () => {
      await consumer.resume();
      await consumer.requestKeyFrame(); // nothing can be decoded before
    };
    await resume(); // of a producer that is paused, nothing comes yet
    if (consumer.closed) throw new Error('expected a producer that goes on, got one that is closed');
    const { process, exit } = ingest;
    let isClosed = false;
    const ended = exit.then((code) => {
      if (isClosed) return;
      transport.close();
      throw new Error(`expected gifcue ingest to run until the forward is closed, got exit code ${code}`);
    });
    ended.catch(() => {}); // the caller may not look at it
    const close = async () => {
      isClosed = true;
      transport.close();
      await stop(process);
    };
    // What the caller paused stays paused.
    consumer.on('producerresume', () => {
      if (!consumer.paused) consumer.requestKeyFrame().catch(() => {}); // it was closed meanwhile
    });
    consumer.on('producerclose', () => void close());
    consumer.on('transportclose', () => void close()); // the router was closed, or mediasoup's worker died
    return { pause: () => consumer.pause(), resume, close, ended };
  } catch (error) {
    transport.close();
    if (ingest) await stop(ingest.process);
    throw error;
  }
}

/** Starts `gifcue ingest rtp` for what the consumer sends, and returns once it is connected to the server. */
async function start(
  parameters: types.RtpParameters, { id, room, labels }: Participant, { server, ip, port }: Target, onReaction: (reaction: Reaction) => void,
): Promise<Ingest> {
  const codec = parameters.codecs[0];
  const name = CODECS[codec?.mimeType.toLowerCase() ?? ''];
  if (!codec || !name) throw new Error(`expected one of ${Object.values(CODECS).join(', ')}, got ${codec?.mimeType}`);
  const orientation = parameters.headerExtensions?.find(({ uri }) => uri === ORIENTATION);
  const ingest = spawn('gifcue', [
    'ingest', 'rtp', '--json', '--rtcp-mux', '--listen', `${ip}:${port}`, '--from', ip, '--payload', `${codec.payloadType}=${name}`,
    '--participant', id, '--room', room, '--labels', labels.join(','), '--server', server,
    ...(orientation ? ['--orientation', String(orientation.id)] : []),
  ], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: ingest.stdout });
  lines.on('line', (line) => {
    const event = JSON.parse(line) as Reaction;
    if (event.type === 'reaction') onReaction(event);
  });
  const first = once(lines, 'line', { signal: AbortSignal.timeout(START_MS) }); // the server's `ready`
  const exit = once(ingest, 'exit').then(([code]) => code as number | null);
  exit.catch(() => {}); // it could not be run: told below
  try {
    await Promise.race([first, exit.then((code) => { throw new Error(`expected gifcue ingest to run, got exit code ${code}`); })]);
  } catch (error) {
    await stop(ingest);
    throw error;
  }
  return { process: ingest, exit };
}

async function stop(ingest: ChildProcess): Promise<void> {
  if (ingest.pid === undefined || ingest.exitCode !== null || ingest.signalCode !== null) return;
  ingest.kill('SIGINT'); // the participant leaves, so that a reaction under way ends
  await once(ingest, 'exit');
}
