// A move between two servers, as the client of the pages sees it. Prints what it sent and what the page got, as JSON.
// Usage: node carried.mjs FOLDER WIRE, the folder of the static files and the module in it that encodes messages
import { FakeSocket, FaultCode, Phase, load, opened, sockets, until } from './fake_socket.mjs';

const { ReactionStream } = await load('js/stream.js');
const { Carried } = await load('js/carried.js');
const { wire } = await load(process.argv[3]);

const events = [];

const stream = new ReactionStream({
  wire, url: 'ws://gifcue.test/stream', config: {}, socket: FakeSocket, tuning: { firstBackoffMs: 1 },
  on: { reaction: ({ phase, reactionId, endReason }) => events.push([Phase[phase], reactionId, endReason]) },
});
stream.join('ada', { codec: 1, labels: ['smile'] });
stream.speak('ada', true);
await opened(1);
sockets[0].ready();
sockets[0].react({ reactionId: 'r1', phase: Phase.STARTED, gif: { ruleId: 'bears' }, gifCooldownMs: 60_000, roomCooldownMs: 30_000 });
sockets[0].react({ reactionId: 'h1', phase: Phase.HOLDING, label: 'wave' });
sockets[0].onclose({ code: 1006, reason: '' });
await opened(2);
sockets[1].ready();
const [config, joined, speaking] = sockets[1].sent;
const { running, gifCooldowns } = joined.value.update.value.resume;
sockets[1].react({ reactionId: 'r1', phase: Phase.ENDED, endReason: 'released', cooldownMs: 60_000 });
sockets[1].react({ reactionId: 'r1', phase: Phase.ENDED, endReason: 'left' });
sockets[1].react({ reactionId: 'r2', phase: Phase.STARTED });
sockets[1].react({ reactionId: 'w1', phase: Phase.STARTED, label: 'wave' });
sockets[1].onclose({ code: 1006, reason: '' });
stream.allow('ada', ['smile']);
stream.close();

// A server that drains and then hangs.
const drained = [];
const moving = new ReactionStream({
  wire, url: 'ws://gifcue.test/stream', config: {}, socket: FakeSocket,
  tuning: { firstBackoffMs: 600_000, maxBackoffMs: 600_000, drainMs: 5 }, // as a failure, the drain would take too long
  on: { reaction: ({ phase, reactionId, endReason }) => drained.push([Phase[phase], reactionId, endReason]) },
});
const join = (name) => moving.join(name, { codec: 1, labels: ['smile'] });
const namesOf = ({ sent }) => sent.filter(({ value }) => value.update?.case === 'join').map(({ value }) => value.participantId);
join('ada');
await opened(3);
const [old] = sockets.slice(-1);
old.ready();
old.react({ reactionId: 'd1', phase: Phase.STARTED });
old.drain();
join('bob');
const isTaken = moving.sendFrame('ada', { timestampUs: 0, keyframe: true, payload: new Uint8Array(1) }) !== null;
old.react({ reactionId: 'd1', phase: Phase.ENDED, endReason: 'released' });
old.react({ reactionId: 'd2', phase: Phase.STARTED });
await opened(4);
const [next] = sockets.slice(-1);
next.ready();
moving.close();

// A server that has no room for a participant, and later does.
const refused = [];
const crowd = new ReactionStream({
  wire, url: 'ws://gifcue.test/stream', config: {}, socket: FakeSocket, tuning: { firstBackoffMs: 1, rejoinMs: 50, batchMs: 0 },
  on: { reaction: ({ phase, reactionId, endReason }) => refused.push([Phase[phase], reactionId, endReason]) },
});
crowd.join('ada', { codec: 1, labels: ['smile'] });
await opened(5);
sockets[4].ready();
sockets[4].react({ reactionId: 'c1', phase: Phase.STARTED });
sockets[4].onclose({ code: 1006, reason: '' });
await opened(6);
const full = sockets[5];
full.ready();
const send = () => crowd.sendFrame('ada', { timestampUs: 0, keyframe: true, payload: new Uint8Array(1) }) !== null;
for (const code of [FaultCode.TOO_MANY_PARTICIPANTS, FaultCode.TOO_MANY_JOINS]) {
  full.fault(code);
  full.react({ reactionId: 'c1', phase: Phase.ENDED, endReason: 'refused' });
}
crowd.join('ada', { codec: 1, labels: ['smile'] }); // waits with the first one
const isSent = [send()];
await until(() => namesOf(full).length > 1);
isSent.push(send());
// One that leaves after a refusal and joins again at once. The server would not report another refusal.
full.fault(FaultCode.TOO_MANY_JOINS);
crowd.leave('ada');
crowd.join('ada', { codec: 1, labels: ['smile'] });
isSent.push(send());
await until(() => namesOf(full).length > 2);
isSent.push(send());
crowd.close();

// A server that asks every new stream to move.
const pauses = [];
const pushed = new ReactionStream({
  wire, url: 'ws://gifcue.test/stream', config: {}, socket: FakeSocket,
  tuning: { firstBackoffMs: 10_000, maxBackoffMs: 40_000, moveMs: 1 },
  on: { state: ({ retryInMs }) => retryInMs !== undefined && pauses.push(retryInMs) },
});
for (let count = 7; count <= 10; count++) {
  await opened(count);
  const socket = sockets.at(-1);
  socket.ready();
  socket.drain();
  socket.onclose({ code: 4000, reason: '' });
}
pushed.close();

// Names that no join may carry.
const long = new Carried();
long.joined('ada');
const gif = { ruleId: 'r'.repeat(513) };
const much = { phase: Phase.STARTED, participantId: 'ada', label: 'smile', reactionId: 'i'.repeat(65), gif, gifCooldownMs: 1, roomCooldownMs: 1 };
long.heard(much);
const uncarried = { state: long.participant('ada'), room: long.room(), lost: long.lost().map(({ endReason }) => endReason), twice: long.lost() };

// More than is kept: what is forgotten ends for the page.
const shown = (list) => list.map(({ phase, reactionId, endReason }) => [Phase[phase], reactionId, endReason ?? '']);
const last = (count, phase, participantId) => {
  const carried = new Carried();
  carried.joined('ada');
  let heard = [];
  for (let number = 0; number < count; number++) {
    heard = carried.heard({ phase, participantId, label: `label-${number}`, reactionId: `r${number}` });
  }
  return shown(heard);
};

// A dismissal after the end, when nothing is left of the cooldown.
const dismissing = new Carried();
dismissing.joined('ada');
const times = [0, 1001, 1500];
Object.defineProperty(performance, 'now', { value: () => times[0] });
dismissing.heard({ phase: Phase.STARTED, participantId: 'ada', label: 'smile', reactionId: 'r1' });
dismissing.heard({ phase: Phase.ENDED, participantId: 'ada', label: 'smile', reactionId: 'r1', endReason: 'released', cooldownMs: 1000 });
times.shift();
const cooldowns = [dismissing.participant('ada').cooldowns];
dismissing.dismissed('ada', 'r1');
dismissing.dismissed('ada', 'r1');
times.shift();
cooldowns.push(dismissing.participant('ada').cooldowns);

console.log(JSON.stringify({
  room: config.value.resume.gifCooldowns.map(({ ruleId }) => ruleId),
  running: running.map(({ reactionId, label }) => [reactionId, label]),
  rules: gifCooldowns.map(({ ruleId }) => ruleId),
  speaking: speaking.value.update.value.speaking,
  events,
  drain: { before: namesOf(old), isTaken, after: namesOf(next), events: drained },
  full: { joins: namesOf(full), isSent, events: refused },
  pauses: pauses.map((each) => each <= 1),
  uncarried,
  cooldowns,
  crowded: [last(257, Phase.STARTED, 'ada'), last(4097, Phase.STARTED, 'gone'), last(4097, Phase.HOLDING, 'ada')],
}));
