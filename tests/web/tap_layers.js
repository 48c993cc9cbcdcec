async () => {
  const { Layers } = await import('/static/tap/layers.js');
  const [units, asked] = [[], []];
  const clock = { ms: 0 };
  const layers = new Layers({
    nowMs: () => clock.ms, onNeedsKeyframe: (ssrc) => asked.push(ssrc),
    onUnit: ({ payload, keyframe, timestampUs, frames }) => units.push([[...payload], keyframe, Math.round(timestampUs / 1000), frames]),
  });
  const take = (ssrc, keyframe, rtpTimestamp, width, payload, more = {}) => layers.take({
    codec: 3, spatialIndex: 0, temporalIndex: 0, ...more, ssrc, keyframe, rtpTimestamp, width, height: width * 9 / 16, payload: Uint8Array.from(payload),
  });
  Object.assign(window, { layers, take, units, asked, clock });
}
