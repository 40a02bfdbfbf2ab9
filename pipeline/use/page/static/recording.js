// The microphone, as a wav of 16 bits: what browsers record by themselves the server cannot read.

export const canRecord = () =>
  window.isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia) && "AudioWorkletNode" in window;

// Begins at once; `stop` gives the wav. `tick` is told the seconds so far.
export async function record(tick) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext();
  const pieces = [];
  let samples = 0, ended = false;
  try {
    await context.audioWorklet.addModule("/recorder.js");
    const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
    node.port.onmessage = ({ data }) => {
      if (ended) return;
      pieces.push(data);
      samples += data.length;
      tick(samples / context.sampleRate, 44 + 2 * samples);
    };
    context.createMediaStreamSource(stream).connect(node);
  } catch (error) {
    end();
    throw error;
  }

  function end() {
    ended = true;
    stream.getTracks().forEach((track) => track.stop());
    context.close();
  }

  return {
    stop() {
      const rate = context.sampleRate;
      end();
      return new File([wav(pieces, samples, rate)], "your recording.wav", { type: "audio/wav" });
    },
  };
}

function wav(pieces, samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples));
  const word = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, 2 * samples, true);
  let at = 44;
  for (const piece of pieces) {
    for (const sample of piece) {
      view.setInt16(at, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true);
      at += 2;
    }
  }
  return view.buffer;
}
