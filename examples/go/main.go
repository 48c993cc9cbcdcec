// Command gifcue-example streams the encoded frames of an IVF file (VP8, VP9 or AV1) to a gifcue server and prints the
// reactions.
//
//	go run . clip.ivf 127.0.0.1:50051[,127.0.0.1:50052] [labels] [room]
//
// It keeps the whole contract of the wire. Replace `frames` by what your media server receives.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "example.com/gifcue-example/gen/gifcue/v1"
)

const (
	participant = "ada"
	maxBackoff  = 10 * time.Second
	// What is in flight on a server that drains may still start or end a reaction: the next server is told after it.
	drainWait = time.Second
	// A connection that lasted this long was a good one. Where servers end or drain streams at once, the pauses grow.
	held = 5 * time.Second
	// Frames that may wait for the network. A frame beyond is left out, since live video does not wait.
	maxWaiting = 8
	// A join that the server has no room for is repeated after pauses that grow. A server reports the same fault once a
	// second, so that a second refusal within that time would not be heard.
	firstRejoin, maxRejoin = 2 * time.Second, 30 * time.Second
)

// Another attempt can help after these. CANCELLED is what a proxy makes of a server that died.
var retryable = []codes.Code{codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Canceled,
	codes.Internal, codes.Unknown}

var codecs = map[string]pb.Codec{"VP80": pb.Codec_CODEC_VP8, "VP90": pb.Codec_CODEC_VP9, "AV01": pb.Codec_CODEC_AV1}

var errDraining = errors.New("draining")

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

// isKeyframe tells whether a decoder can start here. Your media server knows this from its depacketiser.
func isKeyframe(codec pb.Codec, payload []byte) bool {
	switch {
	case len(payload) < 4:
		return false
	case codec == pb.Codec_CODEC_VP8:
		return payload[0]&1 == 0
	case codec == pb.Codec_CODEC_VP9:
		return payload[0]&0x0c == 0 // profiles 0 to 2
	default: // AV1: a sequence header OBU
		return slices.ContainsFunc(payload[:4], func(b byte) bool { return b>>3&15 == 1 })
	}
}

// link is one connection. `outbox` has what waits for the network, until it is closed to leave; `detached` is closed where
// the server drains. `joined` is false while a refused join waits to be repeated.
type link struct {
	outbox        chan *pb.StreamReactionsRequest
	detached      chan struct{}
	ready, joined bool
	refusals      int
}

// carried is what the next server has to know: reactions under way, and what may not start or answer yet.
type carried struct {
	sync.Mutex
	running             map[string]running // by label
	labels, rules, room map[string]time.Time
}

type running struct {
	id    string
	since time.Time
}

// note learns from an event. It returns false for the end of a reaction that is not under way: it has ended already.
func (c *carried) note(each *pb.ReactionEvent) bool {
	c.Lock()
	defer c.Unlock()
	after := func(ms uint32) time.Time { return time.Now().Add(time.Duration(ms) * time.Millisecond) }
	switch each.Phase {
	case pb.Phase_PHASE_STARTED:
		c.running[each.Label] = running{each.ReactionId, time.Now()}
		if each.Gif != nil {
			c.rules[each.Gif.RuleId], c.room[each.Gif.RuleId] = after(each.GifCooldownMs), after(each.RoomCooldownMs)
		}
	case pb.Phase_PHASE_ENDED:
		if c.running[each.Label].id != each.ReactionId {
			return false
		}
		delete(c.running, each.Label)
		c.labels[each.Label] = after(each.CooldownMs)
	}
	return true
}

// drop returns what goes on nowhere: what a refused join carried, or what is under way at the end. A server ends the first
// only within limits. What it ends as well, `note` keeps back.
func (c *carried) drop() map[string]running {
	c.Lock()
	defer c.Unlock()
	ended := c.running
	c.running = map[string]running{}
	return ended
}

func (c *carried) roomState() *pb.RoomState {
	c.Lock()
	defer c.Unlock()
	return &pb.RoomState{GifCooldowns: ruleCooldowns(c.room)}
}

func (c *carried) participantState() *pb.ParticipantState {
	c.Lock()
	defer c.Unlock()
	state := &pb.ParticipantState{GifCooldowns: ruleCooldowns(c.rules)}
	for label, each := range c.running {
		age := uint32(time.Since(each.since).Milliseconds())
		state.Running = append(state.Running, &pb.RunningReaction{ReactionId: each.id, Label: label, AgeMs: age})
	}
	for label, until := range c.labels {
		if left := time.Until(until).Milliseconds(); left > 0 {
			state.Cooldowns = append(state.Cooldowns, &pb.LabelCooldown{Label: label, RemainingMs: uint32(left)})
		}
	}
	return state
}

func ruleCooldowns(until map[string]time.Time) (cooldowns []*pb.RuleCooldown) {
	for rule, at := range until {
		if left := time.Until(at).Milliseconds(); left > 0 {
			cooldowns = append(cooldowns, &pb.RuleCooldown{RuleId: rule, RemainingMs: uint32(left)})
		}
	}
	return cooldowns
}

// player is the video, whatever happens to connections. Its fields are guarded by the mutex, except `carried`, which has
// one of its own.
type player struct {
	sync.Mutex
	carried       carried
	codec         pb.Codec
	sequence      uint64
	needsKeyframe bool
	done          bool
	link          *link
}

func (p *player) play(data []byte) {
	ticks := float64(binary.LittleEndian.Uint32(data[16:])) / float64(binary.LittleEndian.Uint32(data[20:]))
	started := time.Now()
	frames(data, func(pts uint64, payload []byte) bool {
		at := time.Duration(float64(pts) / ticks * float64(time.Second))
		time.Sleep(time.Until(started.Add(at)))
		p.Lock()
		defer p.Unlock()
		sequence, keyframe := p.sequence, isKeyframe(p.codec, payload)
		p.sequence++ // also for a frame that is not sent: the gap tells the server
		if p.link == nil || !p.link.joined || (p.needsKeyframe && !keyframe) {
			return true
		}
		frame := &pb.Frame{ParticipantId: participant, Sequence: sequence, Pts: at.Microseconds(), ClockHz: 1_000_000,
			Keyframe: keyframe, Payload: payload}
		select {
		case p.link.outbox <- &pb.StreamReactionsRequest{Message: &pb.StreamReactionsRequest_Frame{Frame: frame}}:
			p.needsKeyframe = false
		default:
			p.needsKeyframe = true
		}
		return true
	})
	p.Lock()
	defer p.Unlock()
	p.done = true
	if p.link != nil && p.link.ready {
		p.leave()
	}
}

// join joins on a connection that is ready. The mutex is held, and the outbox has room: nothing else is sent before.
func (p *player) join(mine *link, labels []string) {
	join := &pb.ParticipantUpdate{ParticipantId: participant, Update: &pb.ParticipantUpdate_Join{
		Join: &pb.Join{Codec: p.codec, AllowedLabels: labels, Resume: p.carried.participantState()}}}
	mine.outbox <- &pb.StreamReactionsRequest{Message: &pb.StreamReactionsRequest_Participant{Participant: join}}
	mine.joined, p.needsKeyframe = true, true // and ask your sender for one: RTCP PLI
}

// refused ends what a refused join carried, and repeats the join after a pause.
func (p *player) refused(mine *link, labels []string) {
	p.Lock()
	defer p.Unlock()
	if !mine.joined {
		return
	}
	mine.joined = false
	for label, each := range p.carried.drop() {
		fmt.Println(pb.Phase_PHASE_ENDED, label, each.id, "", "refused")
	}
	pause := min(maxRejoin, firstRejoin<<min(mine.refusals, 4))
	mine.refusals++
	p.rejoinAfter(pause*3/4+time.Duration(rand.Int64N(int64(pause/2))), mine, labels)
}

func (p *player) rejoinAfter(pause time.Duration, mine *link, labels []string) {
	time.AfterFunc(pause, func() {
		p.Lock()
		defer p.Unlock()
		switch {
		case p.link != mine: // the connection is gone, or drains, or the video has ended
		case len(mine.outbox) == cap(mine.outbox): // a slow network still has frames of before
			p.rejoinAfter(firstRejoin, mine, labels)
		default:
			p.join(mine, labels)
		}
	})
}

// leave leaves, and half-closes: the server finishes the frames in flight and ends with OK. The mutex is held.
func (p *player) leave() {
	close(p.link.outbox)
	p.link = nil
}

// detach sends nothing more on a connection that drains. A leave would end what the next server goes on with.
func (p *player) detach(mine *link) {
	p.Lock()
	defer p.Unlock()
	if p.link == mine {
		p.link = nil
		close(mine.detached)
	}
}

// connect serves one connection to its end. It returns nil where the server ended with OK.
func (p *player) connect(target, room string, labels []string) (opened bool, err error) {
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}))
	if err != nil {
		return false, err
	}
	alive, lost := context.WithCancel(context.Background())
	// The key by which proxies place the streams of a room: docs/proxies.md.
	alive = metadata.AppendToOutgoingContext(alive, "gifcue-room", fmt.Sprintf("%x", sha256.Sum256([]byte(room)))[:32])
	call, err := pb.NewReactionServiceClient(connection).StreamReactions(alive)
	if err != nil {
		lost()
		connection.Close()
		return false, err
	}
	mine := &link{outbox: make(chan *pb.StreamReactionsRequest, maxWaiting), detached: make(chan struct{})}
	p.Lock()
	p.link = mine
	p.Unlock()
	config := &pb.StreamConfig{RoomId: room, ClientName: "gifcue-example-go/1",
		Resume: p.carried.roomState()}
	err = call.Send(&pb.StreamReactionsRequest{Message: &pb.StreamReactionsRequest_Config{Config: config}})
	if errors.Is(err, io.EOF) {
		err = nil // the server has ended the call: Recv tells why
	}
	var silence *time.Timer // ends the call of a server that sends neither events nor heartbeats
	var patience time.Duration
	base := ""           // of the addresses of GIFs
	var allowed []string // labels that the server knows, and that this person agreed to
	draining := false
	for err == nil {
		var response *pb.StreamReactionsResponse
		if response, err = call.Recv(); err != nil {
			break
		}
		if silence != nil && !draining {
			silence.Reset(patience)
		}
		switch message := response.Message.(type) {
		case *pb.StreamReactionsResponse_Ready:
			base = message.Ready.GifBaseUrl
			patience = 3 * time.Duration(message.Ready.GetLimits().GetHeartbeatIntervalMs()) * time.Millisecond
			if patience > 0 {
				silence = time.AfterFunc(patience, lost)
			}
			allowed = slices.DeleteFunc(slices.Clone(labels), func(label string) bool {
				return !slices.Contains(message.Ready.ReactionLabels, label)
			})
			go send(call, mine)
			opened = true
			p.Lock()
			mine.ready = true
			p.join(mine, allowed)
			if p.done {
				p.leave() // the video ended before: `play` had nobody to tell
			}
			p.Unlock()
			fmt.Printf("ready %s %v\n", target, allowed)
		case *pb.StreamReactionsResponse_Reaction:
			each := message.Reaction
			if !p.carried.note(each) {
				continue
			}
			gif := each.GetGif().GetUrl()
			if strings.HasPrefix(gif, "/") {
				gif = base + gif
			}
			fmt.Println(each.Phase, each.Label, each.ReactionId, gif, each.EndReason)
		case *pb.StreamReactionsResponse_Control:
			if message.Control.GetKeyframe() != nil {
				p.Lock()
				p.needsKeyframe = true // and ask your sender: RTCP PLI or FIR
				p.Unlock()
			} else if message.Control.GetDrain() != nil {
				draining = true
				p.detach(mine)
				if silence != nil {
					silence.Stop()
				}
				time.AfterFunc(drainWait, lost)
			} else {
				fmt.Println("slow down", message.Control.GetSlowDown())
			}
		case *pb.StreamReactionsResponse_Fault:
			fmt.Fprintf(os.Stderr, "%v x%d: %s\n", message.Fault.Code, message.Fault.Count, message.Fault.Message)
			switch message.Fault.Code {
			case pb.FaultCode_FAULT_CODE_TOO_MANY_PARTICIPANTS, pb.FaultCode_FAULT_CODE_TOO_MANY_JOINS:
				p.refused(mine, allowed)
			}
		}
	}
	if silence != nil {
		silence.Stop()
	}
	lost()
	connection.Close()
	if draining {
		return opened, errDraining
	}
	if errors.Is(err, io.EOF) {
		return opened, nil
	}
	if values := call.Trailer().Get("gifcue-retry-after-ms"); len(values) > 0 {
		if ms, parsed := strconv.Atoi(values[0]); parsed == nil {
			time.Sleep(min(time.Duration(ms)*time.Millisecond, maxBackoff))
		}
	}
	return opened, err
}

func send(call grpc.BidiStreamingClient[pb.StreamReactionsRequest, pb.StreamReactionsResponse],
	mine *link) {
	for open := true; open; {
		var message *pb.StreamReactionsRequest
		select {
		case <-mine.detached:
			return
		case message, open = <-mine.outbox:
			if open && call.Send(message) != nil {
				return // Recv tells why
			}
		}
	}
	leave := &pb.ParticipantUpdate{ParticipantId: participant, Update: &pb.ParticipantUpdate_Leave{Leave: &pb.Leave{}}}
	_ = call.Send(&pb.StreamReactionsRequest{Message: &pb.StreamReactionsRequest_Participant{Participant: leave}})
	_ = call.CloseSend()
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
	video := &player{codec: codecs[string(data[8:12])], needsKeyframe: true, carried: carried{
		running: map[string]running{}, labels: map[string]time.Time{}, rules: map[string]time.Time{},
		room: map[string]time.Time{}}}
	go video.play(data)
	servers := strings.Split(targets, ",")
	for attempt, failures := 0, 0; ; attempt++ {
		started := time.Now()
		opened, err := video.connect(servers[attempt%len(servers)], room, labels)
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
			for label, each := range video.carried.drop() {
				fmt.Println(pb.Phase_PHASE_ENDED, label, each.id, "", "stream_lost")
			}
			fmt.Println("end", err)
			if err != nil {
				os.Exit(1)
			}
			return
		}
		if err != errDraining && !slices.Contains(retryable, status.Code(err)) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("disconnected:", err)
		if opened && time.Since(started) >= held {
			failures = 0
		}
		backoff := min(maxBackoff, 100*time.Millisecond<<min(failures, 7))
		time.Sleep(time.Duration(rand.Int64N(int64(backoff))))
		failures++
	}
}
