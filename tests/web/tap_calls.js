async (codec) => {
  const { Tap } = await import('/static/tap/tap.js');
  window.Tap = Tap;
  window.counts = (stats, type) => [...stats.values()].find((each) => each.type === type) ?? {};
  const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 } });
  // A track of noise, which needs a high bit rate.
  window.noise = () => {
    const track = new MediaStreamTrackGenerator({ kind: 'video' });
    const writer = track.writable.getWriter();
    const canvas = new OffscreenCanvas(320, 180);
    const context = canvas.getContext('2d');
    const pictures = Array.from({ length: 8 }, () => {
      const picture = context.createImageData(320, 180);
      for (let at = 0; at < picture.data.length; at++) picture.data[at] = at % 4 === 3 ? 255 : 256 * Math.random();
      return picture;
    });
    let number = 0;
    setInterval(() => {
      context.putImageData(pictures[number % pictures.length], 0, 0);
      writer.write(new VideoFrame(canvas, { timestamp: 33_333 * number++ }));
    }, 33);
    return track;
  };
  const fast = ({ type, sdp }) => ({
    type, sdp: sdp.replace(/a=rtpmap:(\d+) VP8\/90000\r\n/, '$&a=fmtp:$1 x-google-start-bitrate=8000\r\n'),
  });
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
    await from.setRemoteDescription(fast(to.localDescription));
    call.frames = async () => {
      const [out, into] = [counts(await from.getStats(), 'outbound-rtp'), counts(await to.getStats(), 'inbound-rtp')];
      return { encoded: out.framesEncoded ?? 0, sent: out.framesSent ?? 0, keyframes: out.keyFramesEncoded, received: into.framesReceived ?? 0, decoded: into.framesDecoded ?? 0 };
    };
    return call;
  };
}
