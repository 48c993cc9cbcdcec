// Runs examples/mediasoup with a router that is none: what becomes of pauses, of the router's end, and of that of `gifcue ingest`.
import { EventEmitter } from 'node:events';
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const { forward } = await import(pathToFileURL(process.argv[2]));
const TARGET = { server: '127.0.0.1:1', ip: '127.0.0.1', port: 2 };
const PARTICIPANT = { id: 'ada', room: 'weekly', labels: ['smile'] };

class Consumer extends EventEmitter {
  type = 'simple';
  closed = false;
  paused = true;
  keyframes = 0;
  rtpParameters = { codecs: [{ mimeType: 'video/VP8', payloadType: 96 }] };
  async pause() { this.paused = true; }
  async resume() { this.paused = false; }
  async requestKeyFrame() {
    this.keyframes++;
    if (this.closed) throw new Error('closed');
  }
}

/** A forward of a producer, and the consumer that it made. */
async function forwarded() {
  const consumer = new Consumer();
  const close = () => {
    if (consumer.closed) return;
    consumer.closed = true;
    consumer.emit('transportclose');
  };
  const transport = { consume: async () => consumer, connect: async () => {}, close };
  const reactions = [];
  const producer = { kind: 'video', id: 'p', paused: false };
  const running = await forward({ createPlainTransport: async () => transport }, producer, PARTICIPANT, TARGET, (each) => reactions.push(each));
  return { consumer, transport, running, reactions };
}

/** What "ended" says. */
const outcome = ({ running }) => running.ended.then(() => 'closed', ({ message }) => message);

const found = {};
{
  const { consumer, running, ...more } = await forwarded();
  await running.pause();
  consumer.emit('producerresume');
  found.pausedByTheCaller = [consumer.paused, consumer.keyframes];
  await running.resume();
  consumer.emit('producerresume');
  found.resumed = [consumer.paused, consumer.keyframes];
  await running.close();
  found.closed = await outcome({ running, ...more });
}
{
  const each = await forwarded();
  each.transport.close(); // with the router
  found.routerClosed = await outcome(each);
}
{
  const each = await forwarded();
  writeFileSync(process.env.END, '');
  found.ingestEnded = await outcome(each);
  found.consumerClosed = each.consumer.closed;
}
console.log(JSON.stringify(found));
