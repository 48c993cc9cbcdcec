package main

import (
	"sync"
	"time"

	pb "example.com/gifcue-example/gen/gifcue/v1"
)

// After a lost connection, a server must go on with the reactions under way within this time. Otherwise they end.
const carriedFor = 10 * time.Second

// carried is what the next server has to know of one participant and its room: the state machine of docs/integrating.md.
type carried struct {
	sync.Mutex
	running map[string]running // by label
	// Until when a label does not start, and a rule answers neither the participant nor the room.
	labels, rules, room map[string]time.Time
	patience            *time.Timer // runs while no server goes on with what is under way
}

type running struct {
	id    string
	since time.Time
}

func newCarried() *carried {
	return &carried{running: map[string]running{}, labels: map[string]time.Time{}, rules: map[string]time.Time{},
		room: map[string]time.Time{}}
}

// hear learns from an event, and shows it. The end of a reaction that is not under way is not shown: it ended before.
func (c *carried) hear(each *pb.ReactionEvent, gif string) {
	c.Lock()
	defer c.Unlock()
	after := func(ms uint32) time.Time { return time.Now().Add(time.Duration(ms) * time.Millisecond) }
	before, isRunning := c.running[each.Label]
	switch each.Phase {
	case pb.Phase_PHASE_STARTED:
		if isRunning && before.id != each.ReactionId { // its end was lost with a connection
			show(pb.Phase_PHASE_ENDED, each.Label, before.id, "", "stream_lost")
		}
		c.running[each.Label] = running{each.ReactionId, time.Now()}
		if each.Gif != nil {
			c.rules[each.Gif.RuleId], c.room[each.Gif.RuleId] = after(each.GifCooldownMs), after(each.RoomCooldownMs)
		}
	case pb.Phase_PHASE_ENDED:
		if before.id != each.ReactionId {
			return
		}
		delete(c.running, each.Label)
		c.labels[each.Label] = after(each.CooldownMs)
	}
	show(each.Phase, each.Label, each.ReactionId, gif, each.EndReason)
}

// lost notes that the connection is gone.
func (c *carried) lost() {
	c.Lock()
	defer c.Unlock()
	if c.patience != nil {
		return // it runs since the last server that was ready
	}
	var timer *time.Timer
	timer = time.AfterFunc(carriedFor, func() {
		c.Lock()
		defer c.Unlock()
		if c.patience == timer {
			c.end("stream_lost")
		}
	})
	c.patience = timer
}

// ready notes that a server has accepted the stream. One without `resume` goes on with nothing.
func (c *carried) ready(resumes bool) {
	c.Lock()
	defer c.Unlock()
	if c.patience != nil {
		c.patience.Stop()
		c.patience = nil
	}
	if !resumes {
		c.end("stream_lost")
	}
}

// drop ends what goes on nowhere: what a refused join carried, or what is under way at the end. A server ends the first
// only within limits. What it ends as well, `hear` keeps back.
func (c *carried) drop(reason string) {
	c.Lock()
	defer c.Unlock()
	c.end(reason)
}

// end is called with the mutex held.
func (c *carried) end(reason string) {
	for label, each := range c.running {
		show(pb.Phase_PHASE_ENDED, label, each.id, "", reason)
	}
	clear(c.running)
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
