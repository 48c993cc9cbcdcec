async (codec) => {
  const { Tap } = await import('/static/tap/tap.js');
  window.Tap = Tap;
  window.counts = (stats, type) => [...stats.values()].find((each) => each.type === type) ?? {};
  const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 } });
  window.call = async (options, track = media.getVideoTracks()[0]) => {
    const [from, to] = [new RTCPeerConnection(), new RTCPeerConnection()];
    from.onicecandidate = ({ candidate }) => to.addIceCandidate(candidate);
    to.onicecandidate = ({ candidate }) => from.addIceCandidate(candidate);
    const made = from.addTransceiver(track, { direction: 'sendonly' });
    const call = { from, to, sender: made.sender, reactions: [], states: [], turned: [], problems: [], faults: [] };
    if (options) {
      call.tap = new Tap(made.sender);
      const { turn } = Tap.prototype;
      call.tap.turn = (degrees) => { call.turned.push(degrees); turn.call(call.tap, degrees); };
      call.tap.start({
        participant: 'caller', ...options,
        on: {
          reaction: (event) => call.reactions.push(event), state: ({ name }) => call.states.push(name),
          problem: (problem) => call.problems.push(problem), fault: ({ message }) => call.faults.push(message),
        },
      });
    }
    const codecs = RTCRtpSender.getCapabilities('video').codecs.filter(({ mimeType }) => mimeType === `video/${codec}`);
    made.setCodecPreferences(codecs);
    await from.setLocalDescription();
    await to.setRemoteDescription(from.localDescription);
    await to.setLocalDescription();
    await from.setRemoteDescription(to.localDescription);
    call.frames = async () => {
      const [out, into] = [counts(await from.getStats(), 'outbound-rtp'), counts(await to.getStats(), 'inbound-rtp')];
      return { encoded: out.framesEncoded ?? 0, sent: out.framesSent ?? 0, keyframes: out.keyFramesEncoded, received: into.framesReceived ?? 0, decoded: into.framesDecoded ?? 0 };
    };
    return call;
  };
}
