// Command gifcue-example streams the encoded frames of an IVF file (VP8, VP9 or AV1) to a gifcue server and prints the
// reactions.
//
//	go run . clip.ivf 127.0.0.1:50051[,127.0.0.1:50052] [labels] [room]
//
// It keeps the whole contract of the wire, docs/integrating.md: stream.go has the connections, state.go what goes on from one
// to the next. Replace `frames` by what your media server receives, and `show` by what it does with reactions.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "example.com/gifcue-example/gen/gifcue/v1"
)

const (
	// Before another connection. A few follow at once after a drain, or where another server is left.
	firstPause, maxPause = 250 * time.Millisecond, 10 * time.Second
	quickPause, maxQuick = 100 * time.Millisecond, 3
	// A connection that lasted this long was a good one. Where servers end or drain streams at once, the pauses grow.
	held = 5 * time.Second
)

var codecs = map[string]pb.Codec{"VP80": pb.Codec_CODEC_VP8, "VP90": pb.Codec_CODEC_VP9, "AV01": pb.Codec_CODEC_AV1}

// frames yields the frames of an IVF file: a header, then size (4 bytes), pts (8 bytes) and payload of each.
func frames(data []byte, yield func(pts uint64, payload []byte) bool) {
	for at := int(binary.LittleEndian.Uint16(data[6:])); at+12 <= len(data); {
		size := int(binary.LittleEndian.Uint32(data[at:]))
		end := min(at+12+size, len(data))
		if !yield(binary.LittleEndian.Uint64(data[at+4:]), data[at+12:end]) {
			return
		}
		at = end
	}
}

// accessUnit leaves out the temporal delimiter of AV1, which RTP does not have either.
func accessUnit(codec pb.Codec, payload []byte) []byte {
	if codec == pb.Codec_CODEC_AV1 {
		return bytes.TrimPrefix(payload, []byte{0x12, 0})
	}
	return payload
}

// isKeyframe tells whether a decoder can start here. Your media server knows this from its depacketiser.
func isKeyframe(codec pb.Codec, payload []byte) bool {
	switch {
	case len(payload) == 0:
		return false
	case codec == pb.Codec_CODEC_VP8:
		return payload[0]&1 == 0
	case codec == pb.Codec_CODEC_VP9:
		return payload[0]&0x0c == 0 // profiles 0 to 2
	default: // AV1: it begins with a sequence header
		return payload[0]>>3&15 == 1
	}
}

func show(phase pb.Phase, label, id, gif, endReason string) {
	fmt.Println(phase, label, id, gif, endReason)
}

// By these details gRPC or a proxy says that a connection was lost. A server says INTERNAL of a defect.
var saysLost = regexp.MustCompile(`RST_STREAM|GOAWAY|without sending trailers|HTTP status code received from server: 5`)

// retries tells whether another attempt can help.
func retries(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Canceled:
		return true // CANCELLED is what a proxy makes of a server that died
	case codes.Internal, codes.Unknown:
		return saysLost.MatchString(status.Convert(err).Message())
	}
	return false
}

// spread varies a pause at random by 20 %, so that clients do not all come at once.
func spread(pause time.Duration) time.Duration {
	return pause*4/5 + time.Duration(rand.Int64N(int64(pause*2/5)))
}

func main() {
	arguments := append(slices.Clone(os.Args), make([]string, 4)...)
	file, targets, room := arguments[1], "127.0.0.1:50051", "example"
	labels := []string{"smile", "wave", "thumbs_up"}
	if arguments[2] != "" {
		targets = arguments[2]
	}
	if arguments[3] != "" {
		labels = strings.Split(arguments[3], ",")
	}
	if arguments[4] != "" {
		room = arguments[4]
	}
	data, err := os.ReadFile(file)
	if err != nil || len(data) < 32 || string(data[:4]) != "DKIF" || codecs[string(data[8:12])] == 0 {
		fmt.Fprintf(os.Stderr, "expected an IVF file of VP8, VP9 or AV1, got %q: %v\n", file, err)
		os.Exit(2)
	}
	video := &player{codec: codecs[string(data[8:12])], needsKeyframe: true, carried: newCarried()}
	go video.play(data)
	servers := strings.Split(targets, ",")
	quick, slow := 0, 0                  // attempts since a connection held
	waitsUntil := map[string]time.Time{} // by server that has named a pause, and for no other
	for attempt := 0; ; attempt++ {
		started := time.Now()
		target := servers[attempt%len(servers)]
		opened, asked, err := video.connect(target, room, labels)
		video.Lock()
		if video.link != nil {
			video.leave() // no frame comes after this: `play` looks at `link` under the same lock
		}
		done := video.done
		video.Unlock()
		if done && err == errDraining {
			err = nil // the video ended meanwhile: nobody goes on with it
		}
		if done || err == nil {
			video.carried.drop("stream_lost")
			fmt.Println("end", err)
			if err != nil {
				os.Exit(1)
			}
			return
		}
		if err != errDraining && !retries(err) {
			video.carried.drop("stream_lost")
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("disconnected:", err)
		if opened && time.Since(started) >= held {
			quick, slow = 0, 0
		}
		waitsUntil[target] = time.Now().Add(asked)
		pause := time.Until(waitsUntil[servers[(attempt+1)%len(servers)]])
		// A drain is no failure, and another server may be there. But servers that end each stream are not asked without end.
		if (err == errDraining || quick+slow+1 < len(servers)) && quick < maxQuick {
			quick++
			pause = max(pause, time.Duration(rand.Int64N(int64(quickPause))))
		} else {
			pause = max(pause, spread(min(maxPause, firstPause<<min(slow, 6))))
			slow++
		}
		time.Sleep(pause)
	}
}
