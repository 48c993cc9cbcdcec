package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	pb "example.com/gifcue-example/gen/gifcue/v1"
)

const (
	participant = "ada"
	readyWithin = 10 * time.Second
	// What is in flight on a server that drains may still start or end a reaction: the next server is told after it.
	drainWait = time.Second
	// Frames that may wait for the network. A frame beyond is left out, since live video does not wait.
	maxWaiting = 8
	// Before a join that the server has no room for is repeated.
	firstRejoin, maxRejoin = 2 * time.Second, 30 * time.Second
)

var errDraining = errors.New("draining")

// link is one connection. `outbox` has what waits for the network, until it is closed to end; `detached` is closed where
// the server drains. Frames are sent while it is `joined`: not while a refused join waits to be repeated.
type link struct {
	outbox         chan *pb.StreamReactionsRequest
	detached       chan struct{}
	ready, resumes bool
	joined, leaves bool
	first          uint64 // number of the first frame after the join
	refusals       int
}

// player is the video, whatever happens to connections. Its fields are guarded by the mutex, except `carried`, which has
// one of its own.
type player struct {
	sync.Mutex
	carried       *carried
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
		payload = accessUnit(p.codec, payload)
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
	join := &pb.Join{Codec: p.codec, AllowedLabels: labels}
	if mine.resumes {
		join.Resume = p.carried.participantState()
	}
	update := &pb.ParticipantUpdate{ParticipantId: participant, Update: &pb.ParticipantUpdate_Join{Join: join}}
	mine.outbox <- &pb.StreamReactionsRequest{Message: &pb.StreamReactionsRequest_Participant{Participant: update}}
	mine.joined, mine.first = true, p.sequence
	p.needsKeyframe = true // and ask your sender for one, once a second until it comes: RTCP PLI
}

// refused looks for the refusal of a join in a fault. It ends what the join carried, and repeats it after a pause.
func (p *player) refused(mine *link, fault *pb.ParticipantFault, labels []string) {
	p.Lock()
	defer p.Unlock()
	if !mine.joined {
		return
	}
	isFinal := false
	switch fault.Code {
	case pb.FaultCode_FAULT_CODE_TOO_MANY_PARTICIPANTS, pb.FaultCode_FAULT_CODE_TOO_MANY_JOINS:
	case pb.FaultCode_FAULT_CODE_UNSUPPORTED_CODEC, pb.FaultCode_FAULT_CODE_INVALID_EXTRADATA:
		isFinal = true // this server would refuse the same join again
	case pb.FaultCode_FAULT_CODE_UNKNOWN_PARTICIPANT: // a refusal that the server did not report
		if fault.Sequence < mine.first {
			return // of a frame before the join
		}
	default:
		return
	}
	mine.joined = false
	p.carried.drop("refused")
	if !isFinal {
		p.rejoinAfter(spread(min(maxRejoin, firstRejoin<<min(mine.refusals, 4))), mine, labels)
	}
	mine.refusals++
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

// leave half-closes, and leaves where the server has the participant: it finishes the frames in flight and ends with OK.
// The mutex is held.
func (p *player) leave() {
	p.link.leaves = p.link.joined
	close(p.link.outbox)
	p.link = nil
}

// detach sends nothing more on a connection that drains. A leave would end what the next server goes on with.
func (p *player) detach(mine *link) {
	p.Lock()
	defer p.Unlock()
	mine.joined = false // a join that meets the drain is refused, which ends nothing
	if p.link == mine {
		p.link = nil
		close(mine.detached)
	}
}

// connect serves one connection to its end. It returns nil where the server ended with OK, and the pause that it asks for.
func (p *player) connect(target, room string, labels []string) (opened bool, asked time.Duration, err error) {
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}))
	if err != nil {
		return false, 0, err
	}
	defer connection.Close()
	alive, lost := context.WithCancel(context.Background())
	defer lost()
	// The key by which proxies place the streams of a room: docs/proxies.md.
	alive = metadata.AppendToOutgoingContext(alive, "gifcue-room", fmt.Sprintf("%x", sha256.Sum256([]byte(room)))[:32])
	// Ends the call of a server that is not ready in time, and later of one that sends neither events nor heartbeats.
	silence := time.AfterFunc(readyWithin, lost)
	defer silence.Stop()
	call, err := pb.NewReactionServiceClient(connection).StreamReactions(alive)
	if err != nil {
		return false, 0, err
	}
	mine := &link{outbox: make(chan *pb.StreamReactionsRequest, maxWaiting), detached: make(chan struct{})}
	p.Lock()
	p.link = mine
	p.Unlock()
	config := &pb.StreamConfig{RoomId: room, ClientName: "gifcue-example-go/1", Resume: p.carried.roomState()}
	err = call.Send(&pb.StreamReactionsRequest{Message: &pb.StreamReactionsRequest_Config{Config: config}})
	if errors.Is(err, io.EOF) {
		err = nil // the server has ended the call: Recv tells why
	}
	defer p.carried.lost()
	var patience time.Duration // three heartbeats
	base := ""                 // of the addresses of GIFs
	var allowed []string       // labels that the server knows, and that this person agreed to
	draining := false
	for err == nil {
		var response *pb.StreamReactionsResponse
		if response, err = call.Recv(); err != nil {
			break
		}
		if opened && patience > 0 && !draining {
			silence.Reset(patience)
		}
		switch message := response.Message.(type) {
		case *pb.StreamReactionsResponse_Ready:
			base = message.Ready.GifBaseUrl
			limits := message.Ready.GetLimits()
			silence.Stop()
			patience = 3 * time.Duration(limits.GetHeartbeatIntervalMs()) * time.Millisecond
			if patience > 0 {
				silence.Reset(patience)
			}
			allowed = slices.DeleteFunc(slices.Clone(labels), func(label string) bool {
				return !slices.Contains(message.Ready.ReactionLabels, label)
			})
			quiet := time.Duration(limits.GetIdleTimeoutMs()) * time.Millisecond / 3
			if limits.GetMaxFramesPerMessage() == 0 {
				quiet = 0 // it knows no message of several frames, and would take one without any for a defect
			}
			go send(call, mine, quiet)
			opened = true
			p.Lock()
			mine.ready, mine.resumes = true, slices.Contains(message.Ready.Features, "resume")
			p.carried.ready(mine.resumes)
			p.join(mine, allowed)
			if p.done {
				p.leave() // the video ended before: `play` had nobody to tell
			}
			p.Unlock()
			fmt.Printf("ready %s %v\n", target, allowed)
		case *pb.StreamReactionsResponse_Reaction:
			gif := message.Reaction.GetGif().GetUrl()
			if strings.HasPrefix(gif, "/") {
				gif = base + gif
			}
			p.carried.hear(message.Reaction, gif)
		case *pb.StreamReactionsResponse_Control:
			if message.Control.GetKeyframe() != nil {
				p.Lock()
				p.needsKeyframe = true // and ask your sender, once a second until it comes: RTCP PLI or FIR
				p.Unlock()
			} else if message.Control.GetDrain() != nil {
				draining = true
				p.detach(mine)
				silence.Reset(drainWait)
			} else {
				fmt.Println("slow down", message.Control.GetSlowDown())
			}
		case *pb.StreamReactionsResponse_Fault:
			fmt.Fprintf(os.Stderr, "%v x%d: %s\n", message.Fault.Code, message.Fault.Count, message.Fault.Message)
			p.refused(mine, message.Fault, allowed)
		}
	}
	if draining {
		return opened, 0, errDraining
	}
	if errors.Is(err, io.EOF) {
		return opened, 0, nil
	}
	if values := call.Trailer().Get("gifcue-retry-after-ms"); len(values) > 0 {
		if ms, parsed := strconv.ParseUint(values[0], 10, 31); parsed == nil {
			asked = time.Duration(ms) * time.Millisecond
		}
	}
	return opened, asked, err
}

// send sends what waits. It sends an empty message where there was nothing for the time `quiet`: the server ends a stream
// that is idle. 0: it does not.
func send(call grpc.BidiStreamingClient[pb.StreamReactionsRequest, pb.StreamReactionsResponse], mine *link,
	quiet time.Duration) {
	for open := true; open; {
		var message *pb.StreamReactionsRequest
		var idle <-chan time.Time
		if quiet > 0 {
			idle = time.After(quiet)
		}
		select {
		case <-mine.detached:
			return
		case message, open = <-mine.outbox:
		case <-idle:
			message = &pb.StreamReactionsRequest{Message: &pb.StreamReactionsRequest_Frames{Frames: &pb.Frames{}}}
		}
		if open && call.Send(message) != nil {
			return // Recv tells why
		}
	}
	if mine.leaves {
		leave := &pb.ParticipantUpdate{ParticipantId: participant, Update: &pb.ParticipantUpdate_Leave{Leave: &pb.Leave{}}}
		_ = call.Send(&pb.StreamReactionsRequest{Message: &pb.StreamReactionsRequest_Participant{Participant: leave}})
	}
	_ = call.CloseSend()
}
